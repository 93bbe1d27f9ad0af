import { startPostgresql } from '@portcullis/test-database';
import pg from 'pg';
import { startBareEngine } from './bare-engine.ts';
import { hasBetterAuth, installBetterAuth, startBetterAuth } from './better-auth.ts';
import { hasGlewlwyd, startGlewlwyd } from './glewlwyd.ts';
import { makeMachine } from './machine.ts';
import { type Portcullis, startPortcullis } from './portcullis.ts';
import { portcullisSubject } from './portcullis-subject.ts';
import { startSdkV1Router } from './sdk-v1-router.ts';
import type { Subject } from './subject.ts';

export const ON_SQLITE = 'Portcullis, SQLite';
export const ON_POSTGRESQL = 'Portcullis, PostgreSQL';

/** All authorization servers that are compared, and what had to be left out. */
export type Subjects = { all: readonly Subject[]; leftOut: readonly string[]; stop(): Promise<void> };

/**
 * Starts them, those with a PostgreSQL database on the same server, which writes through to disk.
 *
 * @param options.few whether to start only what is quickly there: without PostgreSQL and what has to be installed
 * @param options.onSqlite a Portcullis that is there already; by default one is started
 */
export async function startSubjects({
  few,
  onSqlite = startPortcullis(),
}: {
  few: boolean;
  onSqlite?: Promise<Portcullis>;
}): Promise<Subjects> {
  await using started = new AsyncDisposableStack();
  const machine = await makeMachine();
  const start = (starting: readonly Promise<Subject>[]) =>
    Promise.all(starting.map(async (one) => started.adopt(await one, (subject) => subject.stop())));
  const inFiles = () => [
    onSqlite.then((portcullis) => portcullisSubject(ON_SQLITE, machine, portcullis)),
    startBareEngine(machine),
    startSdkV1Router(machine),
  ];
  const leftOut: string[] = [];
  const installed = async (): Promise<Subject[]> => {
    if (hasGlewlwyd()) return start([startGlewlwyd(machine)]);
    leftOut.push('Glewlwyd is left out: it is not installed here (apt-get install glewlwyd).');
    return [];
  };
  if (few) {
    const all = [...(await start(inFiles())), ...(await installed())];
    leftOut.push('What needs PostgreSQL is left out of a quick run.');
    const kept = started.move();
    return { all, leftOut, stop: () => kept.disposeAsync() };
  }
  const cluster = started.adopt(await startPostgresql(), (one) => one.stop());
  const databases = {
    authorizationServer: await createDatabase(cluster.url, 'authorization_server'),
    mcpServer: await createDatabase(cluster.url, 'mcp_server'),
  };
  const onPostgresql = (portcullis: Portcullis) => portcullisSubject(ON_POSTGRESQL, machine, portcullis);
  const own = [...inFiles(), startPortcullis(databases).then(onPostgresql)];
  const all = await start(own);
  all.push(...(await installed()));
  try {
    if (!hasBetterAuth()) await installBetterAuth();
    all.push(...(await start([startBetterAuth(machine, await createDatabase(cluster.url, 'better_auth'))])));
  } catch (cause) {
    leftOut.push(`better-auth is left out: ${String(cause)}`);
  }
  const kept = started.move();
  return { all, leftOut, stop: () => kept.disposeAsync() };
}

/** Makes an empty database on a PostgreSQL server. @returns its URL */
export async function createDatabase(clusterUrl: string, name: string): Promise<string> {
  const client = new pg.Client({ connectionString: clusterUrl });
  await client.connect();
  await client.query(`CREATE DATABASE ${name}`);
  await client.end();
  const url = new URL(clusterUrl);
  url.pathname = `/${name}`;
  return url.href;
}
