import { closeSync, cpSync, existsSync, fsyncSync, mkdirSync, openSync, readdirSync, renameSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { main, Problem, say } from '../prepare/step.mjs';

const HELP = `Usage: npm run backup -- <folder>

Copies the SQLite databases of the data folder (PORTCULLIS_DATA_DIR, ./data by default) into
a folder that is empty or not there yet, each as it is at one moment, while the servers
go on; and beside them what the audit trail keeps in files. The master key is not copied:
keep it elsewhere. With PostgreSQL use pg_dump.
`;

const DATABASES = ['authorization-server.sqlite', 'mcp-server.sqlite'];
/** Before the databases: no anchor vouches for more than the copy holds. */
const ANCHORS = 'audit-anchors.jsonl';
/** After them: what leaves the database meanwhile is in both, and never in neither. */
const SEGMENTS = 'audit-segments';

await main(async () => {
  const [argument = ''] = process.argv.slice(2);
  if (argument === '--help' || argument === '-h') return say(HELP.trimEnd());
  if (argument === '') throw new Problem('Name a folder: npm run backup -- /backups/2026-11-26');
  const data = resolve(process.env.PORTCULLIS_DATA_DIR || 'data');
  const target = resolve(argument);
  const databases = DATABASES.filter((name) => existsSync(join(data, name)));
  if (databases.length === 0) throw new Problem('The data folder holds no SQLite database. Check PORTCULLIS_DATA_DIR.');
  mkdirSync(target, { recursive: true, mode: 0o700 });
  if (readdirSync(target).length > 0) throw new Problem('That folder is not empty. Name another one.');
  const copyFiles = (name) => {
    if (existsSync(join(data, name))) cpSync(join(data, name), join(target, name), { recursive: true });
  };
  copyFiles(ANCHORS);
  for (const name of databases) copyDatabase(join(data, name), join(target, name));
  copyFiles(SEGMENTS);
  say(`Copied ${readdirSync(target).join(', ')} to ${target}. The master key is not in it.`);
});

/** Copies what one transaction reads, so that no writer is waited for and none spoils the copy. */
function copyDatabase(from, to) {
  const unfinished = `${to}.unfinished`;
  // SQLite takes a file that is empty. Nobody else may read it, whoever may read the folder or gets the copy later.
  closeSync(openSync(unfinished, 'wx', 0o600));
  const database = new DatabaseSync(from);
  try {
    database.exec('PRAGMA busy_timeout = 10000');
    database.prepare('VACUUM INTO ?').run(unfinished);
  } finally {
    database.close();
  }
  fsyncSync(openSync(unfinished, 'r'));
  renameSync(unfinished, to);
}
