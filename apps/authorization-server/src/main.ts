import { join } from 'node:path';
import { isatty } from 'node:tty';
import { pathToFileURL } from 'node:url';
import { setFlagsFromString } from 'node:v8';
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
import { metricsListener, startTracing } from '@portcullis/platform/watching';
import { lookAfterAuditTrail } from './audit-trail/upkeep.ts';
import { leavePreviousKey, loadMasterKeys } from './master-key.ts';
import type { Metrics } from './metrics.ts';
import { repeat } from './recurring-work.ts';
import {
  type AuthorizationServer,
  type Config,
  createAuthorizationServer,
  createHttpServer,
  readConfig,
} from './server.ts';

const CLEANING_INTERVAL_MS = 10 * 60 * 1000;
const FORGETTING_INTERVAL_MS = 60 * 1000;
const KEYS_INTERVAL_MS = 1000;
const ENDING_INTERVAL_MS = 10 * 1000;

/**
 * How much of a WebAssembly function has to run before V8 compiles it once more, optimised: so much that it never does.
 * Prisma's query compiler runs once for each form of query, and compiling it in the background leaves 50 MB behind.
 */
const WASM_TIERING_BUDGET = 200_000_000;

let log: Logger | undefined;

async function start(): Promise<Running> {
  setFlagsFromString(`--wasm-tiering-budget=${WASM_TIERING_BUDGET}`);
  const config = readConfig();
  log = createLogger({ name: 'authorization-server', level: config.logLevel });
  const tracing = await startTracing(config.tracing, log);
  const lock = lockFolder(config.dataFolder, 'authorization-server');
  const database = await openDatabase({
    url: config.databaseUrl?.reveal() ?? pathToFileURL(join(config.dataFolder, 'authorization-server.sqlite')).href,
    ...(config.migrateDatabaseUrl && { migrateUrl: config.migrateDatabaseUrl.reveal() }),
    preparesStatements: config.preparesStatements,
  });
  const masterKeys = await loadMasterKeys(database, {
    configured: config.masterKey,
    previous: config.previousMasterKey,
    dataFolder: config.dataFolder,
    now: systemClock(),
  });
  await leavePreviousKey(database, masterKeys, log);
  const { migrateDatabaseUrl: ownerUrl } = config;
  const { current: masterKey, previous: previousMasterKey } = masterKeys;
  const server = await createAuthorizationServer(config, {
    database,
    masterKey,
    ...(previousMasterKey && { previousMasterKey }),
    ...(ownerUrl && { openAsOwner: () => openDatabase({ url: ownerUrl.reveal() }) }),
    clock: systemClock,
    log,
    // On a terminal they would scroll the set-up link away.
    requestLogLevel: isatty(1) ? 'debug' : 'info',
  });
  const http = createHttpServer(server.listener, config.trustedProxies);
  server.departure.watch(http);
  const listening = await listen(http, { host: config.host, port: config.port, variable: 'PORTCULLIS_PORT' });
  const metrics = await listenForMetrics(config, server.metrics);
  const onFault = (cause: unknown) => log?.warn({ err: cause }, 'cleaning failed; it runs again in a while');
  const endCleaning = repeat({ intervalMs: CLEANING_INTERVAL_MS, work: () => server.clean(), onFault });
  const endForgetting = repeat({ intervalMs: FORGETTING_INTERVAL_MS, work: () => server.forgetAnswers(), onFault });
  const endEnding = repeat({
    intervalMs: ENDING_INTERVAL_MS,
    work: () => server.endUnusedConnections(),
    onFault: (cause) => log?.warn({ err: cause }, 'connections could not be ended; it is tried again'),
  });
  const keeping = setInterval(keepKeysWith(server, log), KEYS_INTERVAL_MS);
  const endAuditUpkeep = lookAfterAuditTrail(server.audit, log);
  log.info({ issuer: config.site.issuer, port: listening.port, database: database.kind }, 'ready');
  if (server.setupLink !== undefined) {
    process.stdout.write(
      `\nSet up the first administrator: ${server.setupLink}\n(The link works once, for one hour.)\n\n`,
    );
  }
  return {
    leave: () => server.departure.announce(),
    async close() {
      clearInterval(keeping);
      server.close();
      await listening.close();
      await metrics?.close();
      await Promise.all([endCleaning(), endForgetting(), endAuditUpkeep(), endEnding()]);
      await database.close();
      await tracing.close();
      lock.release();
    },
  };
}

async function listenForMetrics({ metrics: at }: Config, metrics: Metrics): Promise<Listening | undefined> {
  if (!at) return undefined;
  metrics.addProcess();
  return listen(createHttpServer(metricsListener(metrics)), { ...at, variable: 'PORTCULLIS_METRICS_PORT' });
}

/** Says once that the keys cannot be looked after, and once that they can be again: the database is away meanwhile. */
function keepKeysWith(server: Pick<AuthorizationServer, 'keepKeys'>, log: Logger): () => Promise<void> {
  let failing = false;
  let busy = false;
  return async () => {
    if (busy) return;
    busy = true;
    try {
      await server.keepKeys();
      if (failing) log.info('the signing keys are looked after again');
      failing = false;
    } catch (cause) {
      if (!failing) log.warn({ err: cause }, 'the signing keys cannot be read; those that are known are used');
      failing = true;
    } finally {
      busy = false;
    }
  };
}

runProcess({ start, logger: () => log });
