import type { IncomingMessage, ServerResponse } from 'node:http';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import type { FeedPolicy } from '../src/feed-freshness.ts';
import type { Guard, Principal } from '../src/index.ts';
import { repositories } from './examples/upstream-token.ts';
import { startFeed, type TestFeed, until } from './support/feed.ts';
import { guarded, later } from './support/guarded.ts';
import { startIssuer, type TestIssuer } from './support/issuer.ts';

let issuer: TestIssuer;
let feed: TestFeed;
let asked: string[];
let answer: { status: number; body: unknown };
let made: ReturnType<typeof guarded>;
/** Every guard: one that is left open keeps its connection, and the issuer waits for it for ever. */
let guards: Guard[];

beforeEach(async () => {
  issuer = await startIssuer();
  asked = [];
  answer = { status: 200, body: { access_token: 'theirs', token_type: 'Bearer', expires_in: 120, scope: 'a b' } };
  const respond = (request: IncomingMessage, response: ServerResponse) => {
    let body = '';
    request.setEncoding('utf8').on('data', (text: string) => (body += text));
    request.on('end', () => {
      asked.push(`${request.headers.authorization} ${body}`);
      response.writeHead(answer.status, { 'content-type': 'application/json' }).end(JSON.stringify(answer.body));
    });
  };
  feed = startFeed(issuer, (request, response) => {
    if (request.url === '/user/repos') response.writeHead(200).end(JSON.stringify([request.headers.authorization]));
    else if (request.url === '/token') respond(request, response);
    else return false;
    return true;
  });
  guards = [];
  made = await listening({ whenFeedIsDown: 'until-expiry' });
});

afterEach(async () => {
  for (const guard of guards) guard.close();
  await issuer.close();
});

/** A guard that has heard the feed's first heartbeat. */
async function listening(policy: FeedPolicy): Promise<ReturnType<typeof guarded>> {
  const listener = guarded(issuer.url, {
    fetch: async (input, init) => {
      const response = await fetch(input, init);
      if (!String(input).includes('.well-known')) return response;
      const document = { issuer: issuer.url, jwks_uri: `${issuer.url}/jwks`, token_endpoint: `${issuer.url}/token` };
      return Response.json(document);
    },
    revocation: { clientId: 'desk', clientSecret: 'a secret', eventsUrl: feed.url, ...policy },
  });
  guards.push(listener.guard);
  await until(() => {
    feed.beat();
    return listener.guard.metrics().revocation.fresh;
  });
  return listener;
}

async function caller(guard: Guard = made.guard, token?: string): Promise<Principal> {
  const verdict = await guard.verifyToken(token ?? (await issuer.sign()));
  if (!verdict.ok) throw new Error(verdict.refusal.reason);
  return verdict.principal;
}

test('PX-13 the caller’s token is traded at the issuer for one of the service, once for many at a time', async () => {
  const token = await issuer.sign();
  const principal = await caller(made.guard, token);
  const results = await Promise.all(Array.from({ length: 8 }, () => made.guard.upstreamToken(principal, 'github')));
  for (const result of results)
    expect(result).toMatchObject({ ok: true, token: { value: 'theirs', scopes: ['a', 'b'] } });
  expect(asked).toHaveLength(1);
  const parameters = new URLSearchParams(asked[0]?.split(' ').at(-1));
  expect([parameters.get('subject_token'), parameters.get('audience')]).toEqual([token, 'github']);
  expect(asked[0]).toMatch(/^Basic /);
  expect(JSON.stringify(principal)).not.toContain(token);
});

test('an answer is kept until it expires, for this token and this service only', async () => {
  const principal = await caller();
  await made.guard.upstreamToken(principal, 'github');
  made.clock.now = later(made.clock.now, 100_000);
  await made.guard.upstreamToken(principal, 'github');
  expect(asked).toHaveLength(1);
  await made.guard.upstreamToken(principal, 'gitlab');
  await made.guard.upstreamToken(await caller(made.guard, await issuer.sign({ claims: { jti: 'other' } })), 'github');
  expect(asked).toHaveLength(3);
  made.clock.now = later(made.clock.now, 16_000);
  await made.guard.upstreamToken(principal, 'github');
  expect(asked).toHaveLength(4);
});

test('SP-12 what was kept is not handed out once the grant is revoked', async () => {
  const principal = await caller();
  expect(await made.guard.upstreamToken(principal, 'github')).toMatchObject({ ok: true });
  feed.revoke({ gid: 'grant-1' });
  await until(async () => !(await made.guard.upstreamToken(principal, 'github')).ok);
  expect(await made.guard.upstreamToken(principal, 'github')).toEqual({ ok: false, refusal: { reason: 'revoked' } });
});

test('SP-12 where nothing is heard of revocations nothing is handed out, and nobody is told that they are revoked', async () => {
  const { guard, clock } = await listening({ whenFeedIsDown: 'fail-closed-after', failClosedAfterSeconds: 10 });
  const principal = await caller(guard);
  expect(await guard.upstreamToken(principal, 'github')).toMatchObject({ ok: true });
  clock.now = later(clock.now, 11_000);
  const refusal = { reason: 'unavailable', retryAfterSeconds: expect.any(Number) };
  expect(await guard.upstreamToken(principal, 'github')).toMatchObject({ ok: false, refusal });
  // What the issuer itself says of the caller is not made milder by that.
  answer = { status: 400, body: { error: 'invalid_request' } };
  expect(await guard.upstreamToken(principal, 'gitlab')).toEqual({ ok: false, refusal: { reason: 'revoked' } });
  feed.beat();
  await until(async () => (await guard.upstreamToken(principal, 'github')).ok);
  expect(asked).toHaveLength(2);
});

test('the issuer’s refusals are told apart, and none is kept', async () => {
  const principal = await caller();
  const reasonFor = async (status: number, error: string) => {
    answer = { status, body: { error } };
    const result = await made.guard.upstreamToken(principal, 'github');
    return result.ok ? 'ok' : result.refusal.reason;
  };
  expect(await reasonFor(400, 'invalid_target')).toBe('not_connected');
  expect(await reasonFor(400, 'invalid_request')).toBe('revoked');
  expect(await reasonFor(503, 'temporarily_unavailable')).toBe('unavailable');
  await expect(reasonFor(401, 'invalid_client')).rejects.toThrow('check the client');
  answer = { status: 200, body: { access_token: 'theirs', expires_in: 120 } };
  expect(await repositories(made.guard, principal, issuer.url)).toEqual({ repositories: ['Bearer theirs'] });
  expect(await made.guard.upstreamToken({ ...principal, tokenId: 'copied' }, 'github').catch(String)).toContain(
    'not made by a guard',
  );
});

test('a guard without credentials cannot ask', async () => {
  const { guard } = guarded(issuer.url);
  guards.push(guard);
  await expect(guard.upstreamToken(await caller(guard), 'github')).rejects.toThrow('credentials');
});
