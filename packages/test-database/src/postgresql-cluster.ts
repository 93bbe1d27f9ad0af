import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chownSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { findFreePort } from './free-port.ts';
import { postgresqlPrograms } from './postgresql-programs.ts';
import { type ProcessOwner, unprivilegedUser } from './unprivileged-user.ts';

const START_TIMEOUT_MS = 30_000;
const POLL_MS = 50;

export type PostgresqlOptions = {
  /** Write through to disk as a real installation does (default). `false` is quicker, and loses data when the machine stops. */
  readonly durable?: boolean;
};

/** A PostgreSQL server of the test's own: loopback only, random password, data in a temporary folder. */
export type PostgresqlCluster = {
  /** Superuser's URL of the database `postgres`. Stays the same over `kill` and `restart`. */
  readonly url: string;
  /** Ends the server in good order and removes its data. May be called twice, and after `kill`. */
  stop(): Promise<void>;
  /** Ends the server with SIGKILL, as a crash would; its data stay. */
  kill(): Promise<void>;
  /** Starts the server again on the same port and data, after `kill`. */
  restart(): Promise<void>;
};

type Cluster = {
  readonly programs: string;
  readonly owner: ProcessOwner | undefined;
  readonly folder: string;
  readonly durable: boolean;
  readonly password: string;
};
type Running = { readonly child: ChildProcess; readonly port: number };

/**
 * Starts a PostgreSQL server that belongs to the caller alone; as an unprivileged user when we are root.
 *
 * @throws {Error} when the machine has no PostgreSQL server programs, or the server does not answer within 30 seconds
 */
export async function startPostgresql({ durable = true }: PostgresqlOptions = {}): Promise<PostgresqlCluster> {
  const programs = postgresqlPrograms();
  if (programs === undefined)
    throw new Error('PostgreSQL 15 or newer (initdb, postgres) is not installed on this machine');
  const owner = unprivilegedUser();
  const folder = mkdtempSync(join(tmpdir(), 'portcullis-postgresql-'));
  if (owner) chownSync(folder, owner.uid, owner.gid);
  const cluster: Cluster = { programs, owner, folder, durable, password: randomBytes(16).toString('hex') };
  try {
    await initialise(cluster);
    return handle(cluster, await startOnFreePort(cluster));
  } catch (cause) {
    rmSync(folder, { recursive: true, force: true });
    throw new Error('The throwaway PostgreSQL server did not start', { cause });
  }
}

function handle(cluster: Cluster, started: Running): PostgresqlCluster {
  let running = started;
  return {
    url: clusterUrl(cluster, running.port),
    async stop() {
      await end(running.child, 'SIGINT'); // SIGINT is PostgreSQL's "fast shutdown": it disconnects whoever is left.
      rmSync(cluster.folder, { recursive: true, force: true, maxRetries: 20, retryDelay: POLL_MS });
    },
    kill: () => end(running.child, 'SIGKILL'),
    async restart() {
      running = await untilItStarts(cluster, running.port);
    },
  };
}

async function initialise(cluster: Cluster): Promise<void> {
  const passwordFile = join(cluster.folder, 'password');
  writeFileSync(passwordFile, cluster.password, { mode: 0o600 });
  if (cluster.owner) chownSync(passwordFile, cluster.owner.uid, cluster.owner.gid);
  const child = run(cluster, 'initdb', [
    ...['--pgdata', join(cluster.folder, 'data'), '--username', 'postgres', '--pwfile', passwordFile],
    ...['--auth', 'scram-sha-256', '--encoding', 'UTF8', '--no-locale', '--no-sync', '--no-instructions'],
  ]);
  const output = outputOf(child);
  const code = await new Promise((resolve, reject) => child.once('close', resolve).once('error', reject));
  if (code !== 0) throw new Error(`initdb failed: ${output()}`);
}

/** Between finding a free port and taking it, someone else may take it: then the next one is tried. */
async function startOnFreePort(cluster: Cluster): Promise<Running> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await startOn(cluster, await findFreePort());
    } catch (cause) {
      if (attempt === 5) throw cause;
    }
  }
}

/** The crashed server's children hold its shared memory until they notice that their parent has gone. */
async function untilItStarts(cluster: Cluster, port: number): Promise<Running> {
  const deadline = Date.now() + START_TIMEOUT_MS;
  for (;;) {
    try {
      return await startOn(cluster, port);
    } catch (cause) {
      if (Date.now() > deadline) throw cause;
      await delay(POLL_MS);
    }
  }
}

async function startOn(cluster: Cluster, port: number): Promise<Running> {
  const settings = [
    'listen_addresses=127.0.0.1',
    'unix_socket_directories=',
    'max_connections=200',
    'shared_buffers=32MB',
    ...(cluster.durable ? [] : ['fsync=off', 'synchronous_commit=off', 'full_page_writes=off']),
  ];
  const child = run(cluster, 'postgres', [
    '-D',
    join(cluster.folder, 'data'),
    '-p',
    String(port),
    ...settings.flatMap((s) => ['-c', s]),
  ]);
  const output = outputOf(child);
  const deadline = Date.now() + START_TIMEOUT_MS;
  while (!(await answers(clusterUrl(cluster, port)))) {
    if (hasEnded(child)) throw new Error(`postgres ended: ${output()}`);
    if (Date.now() > deadline) {
      await end(child, 'SIGKILL');
      throw new Error(`postgres does not answer: ${output()}`);
    }
    await delay(POLL_MS);
  }
  return { child, port };
}

function run(cluster: Cluster, program: string, args: string[]): ChildProcess {
  return spawn(join(cluster.programs, program), args, {
    cwd: cluster.folder,
    env: { PATH: process.env.PATH, LC_ALL: 'C', TZ: 'UTC' },
    stdio: ['ignore', 'pipe', 'pipe'],
    ...cluster.owner,
  });
}

/** Keeps the last of what the program says, for the message when it fails. */
function outputOf(child: ChildProcess): () => string {
  let text = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on('data', (chunk: Buffer) => {
      text = (text + chunk.toString('utf8')).slice(-4000);
    });
  }
  return () => text.trim();
}

async function answers(url: string): Promise<boolean> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 2000 });
  client.on('error', () => {}); // A server that ends while we connect is just not there yet.
  try {
    await client.connect();
    return true;
  } catch {
    return false;
  } finally {
    await client.end().catch(() => {});
  }
}

async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (hasEnded(child)) return;
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.kill(signal);
  await ended;
}

const hasEnded = (child: ChildProcess): boolean => child.exitCode !== null || child.signalCode !== null;

const clusterUrl = (cluster: Cluster, port: number): string =>
  `postgresql://postgres:${cluster.password}@127.0.0.1:${port}/postgres`;
