import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { masterKeyState, openDatabase } from '@portcullis/persistence';
import { StartupError, systemClock } from '@portcullis/platform';
import { type Config, readConfig } from './config.ts';
import { loadMasterKeys } from './master-key.ts';
import { recoverAdministrator } from './setup/recovery.ts';

async function recover(config: Config, email: string): Promise<void> {
  const database = await openDatabase({
    url: config.databaseUrl?.reveal() ?? pathToFileURL(join(config.dataFolder, 'authorization-server.sqlite')).href,
    ...(config.migrateDatabaseUrl && { migrateUrl: config.migrateDatabaseUrl.reveal() }),
  });
  try {
    if ((await masterKeyState(database)) !== 'bound') {
      throw new StartupError('This database was never served. Check PORTCULLIS_DATA_DIR and DATABASE_URL.');
    }
    // Whoever holds the database alone gets no further than here.
    await loadMasterKeys(database, {
      configured: config.masterKey,
      previous: config.previousMasterKey,
      dataFolder: config.dataFolder,
      now: systemClock(),
    });
    const { link, created } = await recoverAdministrator(email, { database, site: config.site, now: systemClock() });
    process.stdout.write(
      `\n${email} is ${created ? 'a new' : 'an'} administrator. Set a password: ${link}\n(The link works once, for one hour.)\n\n`,
    );
  } finally {
    await database.close();
  }
}

const HELP = `Usage: npm run recover -- <e-mail address>

Lets an administrator back in. Creates the user, or enables it and gives back the role
admin, and prints a link that sets a password once. It takes the database and the master
key, and the same environment as the server. Running servers need not be stopped.
`;

try {
  const [argument = ''] = process.argv.slice(2);
  if (argument === '--help' || argument === '-h') process.stdout.write(HELP);
  else await recover(readConfig(), argument);
} catch (cause) {
  if (!(cause instanceof StartupError)) throw cause;
  for (const problem of cause.problems) process.stderr.write(`portcullis: ${problem}\n`);
  process.exitCode = 1;
}
