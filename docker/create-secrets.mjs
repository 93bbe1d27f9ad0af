import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * Writes the secrets that docker-compose.yml names into docker/secrets, or into the folder given as argument. Keeps
 * what is there: a new master key would not fit the database, nor new passwords theirs. A folder of an older version
 * is given what it lacks of the secrets that came later.
 *
 * The folder is its owner's alone. The files in it can be read by all, because each is mounted by itself into
 * containers whose users this machine does not know.
 */
const folder = process.argv[2] ?? join(import.meta.dirname, 'secrets');
const CAME_LATER = ['mcp-client-secret', 'analytics-password', 'mcp-analytics-database-url'];

const isThere = (name) => existsSync(join(folder, name));
const password = (name) =>
  isThere(name) ? readFileSync(join(folder, name), 'utf8').trim() : randomBytes(24).toString('base64url');
const [owner, server, desk, analytics] = ['owner', 'server', 'desk', 'analytics'].map((of) =>
  password(`${of}-password`),
);

const secrets = {
  'postgresql-password': password('postgresql-password'),
  'owner-password': owner,
  'server-password': server,
  'desk-password': desk,
  'analytics-password': analytics,
  'migrate-database-url': `postgresql://portcullis_owner:${owner}@postgresql:5432/portcullis`,
  'database-url': `postgresql://portcullis:${server}@postgresql:5432/portcullis`,
  'mcp-database-url': `postgresql://desk:${desk}@postgresql:5432/desk`,
  'mcp-analytics-database-url': `postgresql://desk_analytics:${analytics}@postgresql:5432/desk`,
  'mcp-client-secret': randomBytes(32).toString('base64url'),
  'master-key': randomBytes(32).toString('base64url'),
};

const isNew = !existsSync(folder);
const missing = Object.keys(secrets).filter((name) => !isThere(name));
const lost = isNew ? [] : missing.filter((name) => !CAME_LATER.includes(name));
if (missing.length === 0 || lost.length > 0) {
  const lacks = lost.length > 0 ? ` and lacks ${lost.join(', ')}` : '';
  console.error(`${folder} is there already${lacks}. Its secrets fit the database; remove both together or neither.`);
  process.exitCode = 1;
} else {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  for (const name of missing) writeFileSync(join(folder, name), secrets[name], { mode: 0o644, flag: 'wx' });
  console.log(`Wrote ${missing.length} secrets to ${folder}. Keep a copy of master-key in a safe place.`);
}
