import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createHttpPerson, pollUntil, recordedClients } from '../../src/index.ts';
import { driveAiSdk } from './support/driven/ai-sdk.ts';
import type { DrivenClient, DrivenOptions, Whoami } from './support/driven/driven-client.ts';
import { driveMcpRemote } from './support/driven/mcp-remote.ts';
import { driveMcporter } from './support/driven/mcporter.ts';
import type { ThrowAwayHome } from './support/driven/throw-away-home.ts';
import { makeThrowAwayHome } from './support/driven/throw-away-home.ts';
import type { PreparedStack } from './support/journey.ts';
import { openAs, startPreparedStack } from './support/journey.ts';

const drivers: Record<string, { npmPackage: string; drive(options: DrivenOptions): DrivenClient }> = {
  'mcp-remote': { npmPackage: 'mcp-remote', drive: driveMcpRemote },
  mcporter: { npmPackage: 'mcporter', drive: driveMcporter },
  'AI SDK': { npmPackage: '@ai-sdk/mcp', drive: driveAiSdk },
};
const names = Object.keys(drivers);

type Started = { client: DrivenClient; home: ThrowAwayHome };

/** A program in use: its home, each sign-in of a person, and what it was last seen as. */
type InUse = Started & { signIns: URL[]; seen: Whoami };

describe('client programs of other people, from the bare MCP URL', () => {
  let stack: PreparedStack;
  const started: Started[] = [];
  const inUse = new Map<string, InUse>();
  const used = (name: string) => {
    const one = inUse.get(name);
    if (!one) throw new Error(`${name} has not signed in`);
    return one;
  };

  beforeAll(async () => {
    stack = await startPreparedStack({ authorizationServer: { PORTCULLIS_ACCESS_TOKEN_TTL: '5' } });
  });

  afterAll(async () => {
    for (const { client, home } of started) {
      await client.end();
      await home.remove();
    }
    await stack?.stop();
  });

  it.each(names)('CL-1, CL-8, CL-9: %s finds its way, signs in once and calls a tool', async (name) => {
    const signIns: URL[] = [];
    const home = await makeThrowAwayHome(stack.trust);
    const open = openAs(createHttpPerson());
    const client = drivers[name]?.drive({
      mcpUrl: stack.mcpUrl,
      home,
      openInBrowser(url) {
        signIns.push(url);
        return open(url);
      },
    });
    if (!client) throw new Error('no such driver');
    started.push({ client, home });
    inUse.set(name, { client, home, signIns, seen: await client.whoami() });
    expect(signIns.map((url) => url.searchParams.get('resource'))).toEqual([stack.mcpUrl]);
  });

  it.each(names)('AS-19: %s goes on without the person when its access token has expired', async (name) => {
    const one = used(name);
    await callWithNewToken(one);
    expect(one.signIns).toHaveLength(1);
  });

  it('CL-7: all of them go on after a restart of both servers, and after one of their own', async () => {
    await stack.restart();
    for (const name of names) {
      const one = used(name);
      await callWithNewToken(one);
      await one.client.end();
      const { subject, client } = await one.client.whoami();
      const { seen, signIns } = one;
      expect({ name, subject, client, signIns: signIns.length }).toEqual({
        name,
        subject: seen.subject,
        client: seen.client,
        signIns: 1,
      });
    }
  });

  it('none of them reached beyond this machine, and one that tried would have been seen', async () => {
    for (const { home } of inUse.values()) expect(await home.reachedOut()).toEqual([]);
    const { env, reachedOut } = used('mcp-remote').home;
    const fetching = ['-e', "await fetch('http://192.0.2.1/').catch(() => {})", '--input-type=module'];
    await promisify(execFile)(process.execPath, fetching, { env });
    expect(await reachedOut()).toEqual(['192.0.2.1']);
  });

  it('they are the versions that docs/clients.md names', async () => {
    const manifest = JSON.parse(await readFile(new URL('../../package.json', import.meta.url), 'utf8'));
    const driven = recordedClients.filter((client) => client.driven?.how === 'in the tests');
    expect(driven.map(({ name, recorded }) => [name, recorded]).sort()).toEqual(
      Object.entries(drivers)
        .map(([name, { npmPackage }]) => [name, manifest.devDependencies[npmPackage]])
        .sort(),
    );
  });
});

/**
 * Calls again once the last access token has expired, until the program does so with a new one: the guard takes a token
 * for a little longer, and some programs refresh only when it no longer does. A call that fails ends it.
 */
async function callWithNewToken(one: InUse): Promise<void> {
  const { client, seen } = one;
  const expired = Date.parse(seen.expiresAt);
  await pollUntil(() => Date.now() > expired, { what: 'the end of the access token' });
  const outcome = await pollUntil(
    async () => {
      const called = await client.whoami().catch((fault: unknown) => ({ fault }));
      return ('fault' in called || Date.parse(called.expiresAt) > expired) && called;
    },
    { what: 'a call with a new access token', intervalMs: 250 },
  );
  if ('fault' in outcome) throw outcome.fault;
  expect(outcome).toMatchObject({ subject: seen.subject, client: seen.client });
  one.seen = outcome;
}
