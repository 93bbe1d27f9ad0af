import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { openDatabase } from '@portcullis/persistence';
import {
  createLogger,
  type Logger,
  listen,
  lockFolder,
  type Running,
  runProcess,
  systemClock,
} from '@portcullis/platform';
import { loadMasterKey } from './master-key.ts';
import { createAuthorizationServer, createHttpServer, readConfig } from './server.ts';

const CLEANING_INTERVAL_MS = 10 * 60 * 1000;

let log: Logger | undefined;

async function start(): Promise<Running> {
  const config = readConfig();
  log = createLogger({ name: 'authorization-server', level: config.logLevel });
  const lock = lockFolder(config.dataFolder, 'authorization-server');
  const database = await openDatabase({
    url: config.databaseUrl?.reveal() ?? pathToFileURL(join(config.dataFolder, 'authorization-server.sqlite')).href,
    ...(config.migrateDatabaseUrl && { migrateUrl: config.migrateDatabaseUrl.reveal() }),
  });
  const masterKey = await loadMasterKey(database, {
    configured: config.masterKey,
    dataFolder: config.dataFolder,
    now: systemClock(),
  });
  const server = await createAuthorizationServer(config, { database, masterKey, clock: systemClock, log });
  const http = createHttpServer(server.listener);
  const listening = await listen(http, { host: config.host, port: config.port, variable: 'PORTCULLIS_PORT' });
  const cleaning = setInterval(() => void cleanQuietly(server), CLEANING_INTERVAL_MS);
  log.info({ issuer: config.site.issuer, port: listening.port, database: database.kind }, 'ready');
  if (server.setupLink !== undefined) {
    process.stdout.write(
      `\nSet up the first administrator: ${server.setupLink}\n(The link works once, for one hour.)\n\n`,
    );
  }
  return {
    async close() {
      clearInterval(cleaning);
      server.close();
      await listening.close();
      await database.close();
      lock.release();
    },
  };
}

async function cleanQuietly(server: { clean(): Promise<number> }): Promise<void> {
  try {
    await server.clean();
  } catch (cause) {
    log?.warn({ err: cause }, 'cleaning failed; it runs again in ten minutes');
  }
}

runProcess({ start, logger: () => log });
