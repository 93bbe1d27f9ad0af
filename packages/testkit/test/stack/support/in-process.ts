import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { AuthorizationServer, EgressNetwork } from '@portcullis/authorization-server';
import { createAuthorizationServer, createHttpServer, readConfig } from '@portcullis/authorization-server';
import type { Database, RunNow, Statement, Statements, StatementValue } from '@portcullis/persistence';
import { openDatabase } from '@portcullis/persistence';
import { createLogger, listen } from '@portcullis/platform';
import { findFreePort } from '../../../src/index.ts';

/** An authorization server in this process, whose clock the test moves. */
export type InProcess = {
  issuer: string;
  mcpUrl: string;
  /** Where this server listens; the same as the issuer, but for a second replica. */
  port: number;
  database: Database;
  setupLink: string | undefined;
  /** Moves the clock on. */
  pass(seconds: number): void;
  /** What the server's clock says. */
  now(): Date;
  /** Removes what has expired, as the process does every ten minutes. */
  clean(): Promise<number>;
  /** Follows the signing keys, as the process does every second. */
  keepKeys(): Promise<void>;
  /** Forgets answers whose grace is over, as the process does every minute. */
  forgetAnswers(): Promise<number>;
  /** Looks after the audit trail, as the process does every second, half a minute and ten minutes. */
  audit: AuthorizationServer['audit'];
  /** Revokes at the upstreams what no grant may use any more, as the process does every ten seconds. */
  endUnusedConnections(): Promise<number>;
  /** What the server counts, in Prometheus' text form. */
  metrics(): Promise<string>;
  close(): Promise<void>;
};

/** What a server in this process is made with. */
export type InProcessOptions = {
  databaseUrl: string;
  env?: Record<string, string>;
  /** What stands in the configuration file; none by default. */
  configuration?: Record<string, unknown>;
  /** The issuer of the replica that this one stands beside. */
  issuer?: string;
  /** How it reaches other servers, where that is not the internet. */
  network?: Partial<EgressNetwork>;
  /** The master key, and the one before it; {@link MASTER_KEY} by default. */
  masterKeys?: readonly [Buffer, Buffer?];
  /** Stands between the server and each of its transactions. */
  aroundTransaction?: AroundTransaction;
  /** Comes before each query outside of transactions. */
  beforeQuery?: BeforeQuery;
};

/** What everything is encrypted under. */
export const MASTER_KEY = Buffer.alloc(32, 7);

/** Runs a transaction, or does not, or does and says that it failed. */
export type AroundTransaction = (run: () => Promise<unknown>) => Promise<unknown>;

/** What happens before a query, by its model and operation: `linkedIdentity.updateMany`. */
export type BeforeQuery = (query: string) => Promise<void> | undefined;

/** Starts one on a free port, over a connection of its own to the database. */
export async function startInProcess(options: InProcessOptions): Promise<InProcess> {
  const { databaseUrl, env = {}, configuration = {}, issuer: given, network } = options;
  const [masterKey, previousMasterKey] = options.masterKeys ?? [MASTER_KEY];
  const port = await findFreePort();
  const issuer = given ?? `http://localhost:${port}`;
  const config = await withConfigurationFile(configuration, (file) =>
    readConfig({ PORTCULLIS_ISSUER: issuer, PORTCULLIS_CONFIG: file, ...env }),
  );
  const opened = await openDatabase({ url: databaseUrl });
  const database = {
    ...opened,
    prisma: watched(opened.prisma, options),
    statements: watchedStatements(opened.statements, options),
  };
  let movedMs = 0;
  const clock = () => new Date(Date.now() + movedMs);
  const log = createLogger({ name: 'in-process', level: 'silent' });
  const server = await createAuthorizationServer(config, {
    database,
    masterKey,
    ...(previousMasterKey && { previousMasterKey }),
    clock,
    log,
    ...(network && { network }),
  });
  const listening = await listen(createHttpServer(server.listener), { host: '127.0.0.1', port, variable: 'PORT' });
  return {
    issuer,
    mcpUrl: config.resources[0].url,
    port,
    database,
    setupLink: server.setupLink,
    pass(seconds) {
      movedMs += seconds * 1000;
    },
    now: clock,
    clean: () => server.clean(),
    keepKeys: () => server.keepKeys(),
    forgetAnswers: () => server.forgetAnswers(),
    audit: server.audit,
    endUnusedConnections: () => server.endUnusedConnections(),
    metrics: () => server.metrics.text(),
    async close() {
      server.close();
      await listening.close(100);
      await database.close();
    },
  };
}

function watched(
  prisma: Database['prisma'],
  { aroundTransaction, beforeQuery }: Pick<InProcessOptions, 'aroundTransaction' | 'beforeQuery'>,
): Database['prisma'] {
  if (!aroundTransaction && !beforeQuery) return prisma;
  return new Proxy(prisma, {
    get(client, name) {
      const value: unknown = Reflect.get(client, name);
      if (name === '$transaction' && aroundTransaction)
        return (...args: unknown[]) => aroundTransaction(() => Reflect.apply(client.$transaction, client, args));
      const isModel = typeof value === 'object' && value !== null && typeof name === 'string' && /^[a-z]/.test(name);
      return isModel && beforeQuery ? announced(value, (operation) => beforeQuery(`${name}.${operation}`)) : value;
    },
  });
}

/** A redemption is a transaction of its own; every other statement is a query like those of the models. */
function watchedStatements(
  { run, inOneCommit }: Statements,
  {
    aroundTransaction = (transact) => transact(),
    beforeQuery,
  }: Pick<InProcessOptions, 'aroundTransaction' | 'beforeQuery'>,
): Statements {
  return {
    async run<Row>(statement: Statement, ...values: StatementValue[]) {
      if (statement.name.startsWith('redemption.'))
        return (await aroundTransaction(() => run(statement, ...values))) as Row[];
      await beforeQuery?.(statement.name);
      return run<Row>(statement, ...values);
    },
    inOneCommit: async <T>(work: (now: RunNow) => T) => (await aroundTransaction(() => inOneCommit(work))) as T,
  };
}

function announced(model: object, before: BeforeQuery): object {
  return new Proxy(model, {
    get(queries, operation) {
      const query: unknown = Reflect.get(queries, operation);
      if (typeof query !== 'function' || typeof operation !== 'string') return query;
      return (...args: unknown[]) => {
        const first = before(operation);
        const run = () => Reflect.apply(query, queries, args);
        return first ? first.then(run) : run();
      };
    },
  });
}

async function withConfigurationFile<T>(configuration: object, use: (path: string) => T): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'portcullis-configuration-'));
  try {
    const path = join(folder, 'portcullis.config.json');
    await writeFile(path, JSON.stringify(configuration));
    return use(path);
  } finally {
    await rm(folder, { recursive: true });
  }
}
