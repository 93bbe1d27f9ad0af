import { randomBytes } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * Writes the secrets that docker-compose.yml names into docker/secrets, or into the folder given as argument. Keeps
 * what is there: a new master key would not fit the database, nor new passwords theirs.
 *
 * The folder is its owner's alone. The files in it can be read by all, because each is mounted by itself into
 * containers whose users this machine does not know.
 */
const folder = process.argv[2] ?? join(import.meta.dirname, 'secrets');
const password = () => randomBytes(24).toString('base64url');
const [owner, server, desk, analytics] = [password(), password(), password(), password()];

const secrets = {
  'postgresql-password': password(),
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

try {
  mkdirSync(folder, { mode: 0o700 });
  for (const [name, value] of Object.entries(secrets))
    writeFileSync(join(folder, name), value, { mode: 0o644, flag: 'wx' });
  console.log(`Wrote ${Object.keys(secrets).length} secrets to ${folder}. Keep a copy of master-key in a safe place.`);
} catch (cause) {
  if (cause.code !== 'EEXIST') throw cause;
  console.error(`${folder} is there already. Its secrets fit the database; remove both together or neither.`);
  process.exitCode = 1;
}
