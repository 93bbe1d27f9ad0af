import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type Database, masterKeyState, openDatabase } from '@portcullis/persistence';
import { StartupError, systemClock } from '@portcullis/platform';
import { type Config, readConfig } from './config.ts';
import { loadMasterKeys } from './master-key.ts';

/** What a command on the host does; `argument` is what stands behind its name. */
export type HostCommand = {
  help: string;
  run(work: { database: Database; config: Config; argument: string }): Promise<void>;
};

/**
 * Runs a command that takes the database and the master key, in the environment of the server and beside it. Prints
 * what keeps it from working, one line each, and lets the process exit 1 then.
 */
export async function runHostCommand({ help, run }: HostCommand): Promise<void> {
  const [argument = ''] = process.argv.slice(2);
  if (argument === '--help' || argument === '-h') {
    process.stdout.write(help);
    return;
  }
  try {
    const config = readConfig();
    await withServedDatabase(config, (database) => run({ database, config, argument }));
  } catch (cause) {
    if (!(cause instanceof StartupError)) throw cause;
    for (const problem of cause.problems) process.stderr.write(`portcullis: ${problem}\n`);
    process.exitCode = 1;
  }
}

async function withServedDatabase(config: Config, work: (database: Database) => Promise<void>): Promise<void> {
  const database = await openDatabase({
    url: config.databaseUrl?.reveal() ?? pathToFileURL(join(config.dataFolder, 'authorization-server.sqlite')).href,
    ...(config.migrateDatabaseUrl && { migrateUrl: config.migrateDatabaseUrl.reveal() }),
    preparesStatements: config.preparesStatements,
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
    await work(database);
  } finally {
    await database.close();
  }
}
