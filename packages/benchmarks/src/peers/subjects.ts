import { startPostgresql } from '@portcullis/test-database';
import pg from 'pg';
import { startBareEngine } from './bare-engine.ts';
import { hasBetterAuth, installBetterAuth, startBetterAuth } from './better-auth.ts';
import { makeMachine } from './machine.ts';
import { startPortcullisSubject } from './portcullis-subject.ts';
import { startSdkV1Router } from './sdk-v1-router.ts';
import type { Subject } from './subject.ts';

export const ON_SQLITE = 'Portcullis, SQLite';
export const ON_POSTGRESQL = 'Portcullis, PostgreSQL';

/** All authorization servers that are compared, and what had to be left out. */
export type Subjects = { all: readonly Subject[]; leftOut: readonly string[]; stop(): Promise<void> };

/**
 * Starts them all, those with a PostgreSQL database on the same server, which writes through to disk.
 *
 * @param options.install whether to install better-auth where it is not there yet
 */
export async function startSubjects({ install }: { install: boolean }): Promise<Subjects> {
  await using started = new AsyncDisposableStack();
  const cluster = started.adopt(await startPostgresql(), (one) => one.stop());
  const machine = await makeMachine();
  const leftOut: string[] = [];
  const all: Subject[] = [];
  const start = async (...starting: Promise<Subject>[]) => {
    const subjects = await Promise.all(
      starting.map(async (one) => started.adopt(await one, (subject) => subject.stop())),
    );
    all.push(...subjects);
  };
  const databases = {
    authorizationServer: await createDatabase(cluster.url, 'authorization_server'),
    mcpServer: await createDatabase(cluster.url, 'mcp_server'),
  };
  await start(
    startPortcullisSubject(ON_SQLITE, machine),
    startPortcullisSubject(ON_POSTGRESQL, machine, databases),
    startBareEngine(machine),
    startSdkV1Router(machine),
  );
  try {
    if (!hasBetterAuth() && install) await installBetterAuth();
    if (hasBetterAuth()) await start(startBetterAuth(machine, await createDatabase(cluster.url, 'better_auth')));
    else leftOut.push('better-auth is left out: it is not installed, and a quick run installs nothing.');
  } catch (cause) {
    leftOut.push(`better-auth is left out: ${String(cause)}`);
  }
  const kept = started.move();
  return { all, leftOut, stop: () => kept.disposeAsync() };
}

async function createDatabase(clusterUrl: string, name: string): Promise<string> {
  const client = new pg.Client({ connectionString: clusterUrl });
  await client.connect();
  await client.query(`CREATE DATABASE ${name}`);
  await client.end();
  const url = new URL(clusterUrl);
  url.pathname = `/${name}`;
  return url.href;
}
