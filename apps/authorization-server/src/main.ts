import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { openDatabase } from '@portcullis/persistence';
import {
  createLogger,
  type Listening,
  type Logger,
  listen,
  lockFolder,
  type Running,
  runProcess,
  systemClock,
} from '@portcullis/platform';
import { metricsListener } from './http/metrics-listener.ts';
import { loadMasterKey } from './master-key.ts';
import type { Metrics } from './metrics.ts';
import { type Config, createAuthorizationServer, createHttpServer, readConfig } from './server.ts';

const CLEANING_INTERVAL_MS = 10 * 60 * 1000;
const FORGETTING_INTERVAL_MS = 60 * 1000;

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
  const metrics = await listenForMetrics(config, server.metrics);
  const cleaning = setInterval(() => void cleanQuietly(() => server.clean()), CLEANING_INTERVAL_MS);
  const forgetting = setInterval(() => void cleanQuietly(() => server.forgetAnswers()), FORGETTING_INTERVAL_MS);
  log.info({ issuer: config.site.issuer, port: listening.port, database: database.kind }, 'ready');
  if (server.setupLink !== undefined) {
    process.stdout.write(
      `\nSet up the first administrator: ${server.setupLink}\n(The link works once, for one hour.)\n\n`,
    );
  }
  return {
    async close() {
      clearInterval(cleaning);
      clearInterval(forgetting);
      await listening.close();
      await metrics?.close();
      await database.close();
      lock.release();
    },
  };
}

async function listenForMetrics({ metrics: at }: Config, metrics: Metrics): Promise<Listening | undefined> {
  if (!at) return undefined;
  metrics.addProcess();
  return listen(createHttpServer(metricsListener(metrics)), { ...at, variable: 'PORTCULLIS_METRICS_PORT' });
}

async function cleanQuietly(clean: () => Promise<number>): Promise<void> {
  try {
    await clean();
  } catch (cause) {
    log?.warn({ err: cause }, 'cleaning failed; it runs again in a while');
  }
}

runProcess({ start, logger: () => log });
