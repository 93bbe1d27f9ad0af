import { randomBytes } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { formatPersonalAccessToken, type Guard } from '../src/index.ts';
import { mcpHandler } from '../src/mcp-sdk.ts';
import { createTokenEnds } from '../src/token-ends.ts';
import { collectGarbage } from './support/collect-garbage.ts';
import { startFeed, type TestFeed, until } from './support/feed.ts';
import { guarded, later } from './support/guarded.ts';
import { goodAnswer, introspectionEndpoint, type TestIntrospection } from './support/introspection-endpoint.ts';
import { NOON, RESOURCE, startIssuer, type TestIssuer } from './support/issuer.ts';

let issuer: TestIssuer;
let endpoint: TestIntrospection;
let feed: TestFeed;
const guards: Guard[] = [];
beforeEach(async () => {
  issuer = await startIssuer();
  endpoint = introspectionEndpoint();
  endpoint.answerWith(() => ({ status: 200, body: goodAnswer(issuer.url) }));
  feed = startFeed(issuer, endpoint.interference);
});
afterEach(async () => {
  for (const guard of guards.splice(0)) guard.close();
  await issuer.close();
});

/** A guard that has heard of its feed, before a server whose subscriptions stay open until they are ended. */
async function listening() {
  const { guard } = guarded(issuer.url, {
    revocation: { clientId: 'desk', clientSecret: 'a secret', eventsUrl: feed.url },
    introspection: { url: `${issuer.url}/introspect` },
    declarations: {},
  });
  guards.push(guard);
  await until(() => {
    feed.beat();
    return guard.metrics().revocation.fresh;
  });
  const opened: AbortSignal[] = [];
  const handler = mcpHandler(guard, {
    async fetch({ signal }) {
      opened.push(signal);
      return new Response(
        new ReadableStream({ start: (stream) => signal.addEventListener('abort', () => stream.close()) }),
      );
    },
  });
  const subscribe = async (token: string, body = LISTEN, signal?: AbortSignal) => {
    const headers = { 'content-type': 'application/json', authorization: `Bearer ${token}` };
    const options = { method: 'POST', headers, body, duplex: 'half', ...(signal && { signal }) } as const;
    const answer = await guard.protect(new Request(RESOURCE, options), handler);
    const stream = opened.at(-1);
    if (stream === undefined || answer.status !== 200) throw new Error(`not opened: ${answer.status}`);
    return { stream, answer };
  };
  const heard = (grants: number) => until(() => guard.metrics().revocation.revokedGrants === grants);
  return { guard, subscribe, heard };
}

const LISTEN = '{"jsonrpc":"2.0","id":1,"method":"subscriptions/listen","params":{"notifications":{}}}';
const seconds = NOON.getTime() / 1000;
const personal = () => formatPersonalAccessToken(randomBytes(32));

describe('an open subscription (SP-12)', () => {
  test('ends when its grant is revoked, and no other one does', async () => {
    const { subscribe, heard } = await listening();
    const ours = await subscribe(await issuer.sign());
    const again = await subscribe(await issuer.sign());
    const other = await subscribe(await issuer.sign({ claims: { gid: 'grant-2' } }));
    feed.revoke({ gid: 'grant-1' });
    await heard(1);
    expect([ours, again, other].map(({ stream }) => stream.aborted)).toEqual([true, true, false]);
    expect(await ours.answer.text()).toBe('');
  });

  test('ends also where nobody but it holds its request any more', async () => {
    const { subscribe, heard } = await listening();
    const ours = await subscribe(await issuer.sign());
    await collectGarbage();
    feed.revoke({ gid: 'grant-1' });
    await heard(1);
    expect(ours.stream.aborted).toBe(true);
  });

  test('goes on where only tokens of before it were revoked', async () => {
    const { subscribe, heard } = await listening();
    const [before, after] = [
      await subscribe(await issuer.sign({ claims: { iat: seconds - 60 } })),
      await subscribe(await issuer.sign({ claims: { iat: seconds } })),
    ];
    feed.revoke({ gid: 'grant-1', issued_until: seconds - 1 });
    await heard(1);
    expect([before.stream.aborted, after.stream.aborted]).toEqual([true, false]);
  });

  test('of a personal access token ends at whatever concerns the token, and is judged anew', async () => {
    const { subscribe, heard } = await listening();
    const token = await personal();
    const first = await subscribe(token);
    feed.revoke({ gid: 'pat-1', issued_until: seconds - 3600 });
    await heard(1);
    expect(first.stream.aborted).toBe(true);
    const second = await subscribe(token);
    expect(second.stream.aborted).toBe(false);
    endpoint.answerWith(() => ({ status: 200, body: { active: false } }));
    feed.revoke({ gid: 'pat-1' });
    await until(() => second.stream.aborted);
    await expect(subscribe(token)).rejects.toThrow('401');
  });

  test.each(['an access token', 'a personal access token'])(
    'does not begin where %s was revoked while its request was being read',
    async (kind) => {
      const { guard, heard } = await listening();
      const token = kind === 'an access token' ? await issuer.sign() : await personal();
      const judged = async () => {
        const verdict = await guard.verifyToken(token);
        if (!verdict.ok) throw new Error(verdict.refusal.reason);
        return verdict.principal;
      };
      const principal = await judged();
      feed.revoke({ gid: 'another' });
      await heard(1);
      expect(guard.endOf(principal).aborted).toBe(false);
      feed.revoke({ gid: principal.grantId });
      await heard(2);
      expect(guard.endOf(principal).aborted).toBe(true);
      if (kind === 'a personal access token') expect(guard.endOf(await judged()).aborted).toBe(false);
    },
  );

  test('ends when its client goes away', async () => {
    const { subscribe } = await listening();
    const client = new AbortController();
    const { stream } = await subscribe(await issuer.sign(), LISTEN, client.signal);
    expect(stream.aborted).toBe(false);
    client.abort();
    expect(stream.aborted).toBe(true);
  });

  test('is let go of when nobody reads its answer any more', async () => {
    const { subscribe } = await listening();
    const { stream, answer } = await subscribe(await issuer.sign());
    await answer.body?.cancel();
    await until(() => stream.aborted);
  });
});

describe('what is kept for a stream', () => {
  const principal = (lifeMs: number) => ({
    ...{ subject: 'u', clientId: 'c', scopes: [], tokenId: 't', issuer: 'i', audience: 'a', grantId: 'g' },
    ...{ credential: 'personal_access_token' as const, issuedAt: NOON, expiresAt: later(NOON, lifeMs) },
  });
  const DAY_MS = 24 * 3600 * 1000;

  beforeEach(() => {
    jest.useFakeTimers({ now: NOON });
  });
  afterEach(() => {
    jest.useRealTimers();
  });
  const ends = () => createTokenEnds({ clockToleranceSeconds: 5, now: () => new Date() });

  test('is a timer, which ends it with its token, however long that lives', () => {
    const signal = ends().endOf(principal(90 * DAY_MS));
    jest.advanceTimersByTime(90 * DAY_MS + 4999);
    expect(signal.aborted).toBe(false);
    jest.advanceTimersByTime(1);
    expect([signal.aborted, jest.getTimerCount()]).toEqual([true, 0]);
  });

  test('is nothing any more once it is over, revoked, or was over before', () => {
    const { endOf, end } = ends();
    const over = new AbortController();
    const signals = Array.from({ length: 100 }, () => endOf(principal(DAY_MS), over.signal));
    expect(jest.getTimerCount()).toBe(100);
    over.abort();
    const revoked = endOf(principal(DAY_MS));
    end([{ gid: 'g', issuedUntil: 0 }]);
    expect([...signals, revoked, endOf(principal(DAY_MS), over.signal)].every(({ aborted }) => aborted)).toBe(true);
    expect(jest.getTimerCount()).toBe(0);
  });
});
