import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { isClosed } from '../src/feed-freshness.ts';
import type { Guard, GuardOptions, RevocationFeedChange } from '../src/index.ts';
import { createRevokedGrants } from '../src/revoked-grants.ts';
import { listeningGuard } from './examples/revocation.ts';
import { startFeed, type TestFeed, until } from './support/feed.ts';
import { guarded, later, message } from './support/guarded.ts';
import { NOON, RESOURCE, startIssuer, type TestIssuer } from './support/issuer.ts';

const MINUTE_MS = 60_000;

let issuer: TestIssuer;
let feed: TestFeed;
const guards: Guard[] = [];
beforeEach(async () => {
  issuer = await startIssuer();
  feed = startFeed(issuer);
});
afterEach(async () => {
  for (const guard of guards.splice(0)) guard.close();
  await issuer.close();
});

/** A guard that listens, and what it told of its feed. */
function listening(revocation: Partial<NonNullable<GuardOptions['revocation']>> = {}) {
  const changes: RevocationFeedChange[] = [];
  const made = guarded(issuer.url, {
    revocation: { clientId: 'desk', clientSecret: 'a secret', eventsUrl: feed.url, ...revocation },
    onRevocationFeed: (change) => changes.push(change),
  });
  guards.push(made.guard);
  const connected = (times = 1) => until(() => feed.requests.length >= times);
  const judge = async (token: string) => {
    const verdict = await made.guard.verifyToken(token);
    return verdict.ok ? 'taken' : verdict.refusal.reason;
  };
  const isFresh = () => made.guard.metrics().revocation.fresh;
  const ready = async () => {
    await connected();
    // The stream is open a moment after the request came.
    await until(() => {
      feed.beat();
      return isFresh();
    });
  };
  return { ...made, changes, connected, judge, isFresh, ready, metrics: () => made.guard.metrics().revocation };
}

describe('a guard with credentials', () => {
  test('refuses the tokens of a revoked grant at once, with 401 invalid_token (SP-12)', async () => {
    const { guard, judge, ready } = listening();
    await ready();
    const [token, other] = [await issuer.sign(), await issuer.sign({ claims: { gid: 'grant-2' } })];
    expect(await judge(token)).toBe('taken');
    feed.revoke({ gid: 'grant-1' });
    await until(async () => (await judge(token)) === 'revoked');
    expect(await judge(other)).toBe('taken');
    const answer = await guard.protect(message(token), () => new Response('handled'));
    expect(answer.status).toBe(401);
    expect(answer.headers.get('www-authenticate')).toContain('error="invalid_token"');
    expect(await answer.text()).not.toContain('revoked');
  });

  test('refuses only what was issued until then, where the issuer says so, and keeps to the latest', async () => {
    const { judge, ready, metrics } = listening();
    await ready();
    const noon = NOON.getTime() / 1000;
    feed.revoke({ gid: 'grant-1', issued_until: noon }, { gid: 'grant-1', issued_until: noon - 60 });
    await until(() => metrics().revokedGrants === 1);
    const at = (seconds: number) => issuer.sign({ claims: { iat: noon + seconds } });
    expect(await Promise.all([at(-1), at(0), at(1)].map(async (token) => judge(await token)))).toEqual([
      'revoked',
      'revoked',
      'taken',
    ]);
    feed.revoke({ gid: 'grant-1', issued_until: 'some day' });
    await until(async () => (await judge(await at(1))) === 'revoked');
  });

  test('refuses a token that names no grant, because nobody could revoke it', async () => {
    const { judge, ready } = listening();
    await ready();
    expect(await judge(await issuer.sign({ claims: { gid: undefined } }))).toBe('malformed_claims');
  });

  test('lets its first token wait until the issuer has told what it has to tell', async () => {
    const { guard, judge, connected } = listening();
    const token = await issuer.sign();
    await guard.keysAvailable();
    await connected();
    let isJudged = false;
    const judged = judge(token).finally(() => {
      isJudged = true;
    });
    // Much longer than verifying a token takes.
    for (let fetches = 0; fetches < 20; fetches += 1) await fetch(`${issuer.url}/jwks`);
    expect(isJudged).toBe(false);
    await until(() => {
      feed.revoke({ gid: 'grant-1' });
      feed.beat();
      return guards[0]?.metrics().revocation.fresh ?? false;
    });
    expect(await judged).toBe('revoked');
  });

  test('authenticates with HTTP Basic, its id and secret form-encoded (RFC 6749 section 2.3.1)', async () => {
    const { connected } = listening({ clientId: 'desk:1', clientSecret: 'a b+ü%' });
    await connected();
    const [, encoded = ''] = (feed.requests[0]?.headers.authorization ?? '').split(' ');
    expect(Buffer.from(encoded, 'base64').toString()).toBe('desk%3A1:a+b%2B%C3%BC%25');
  });

  test('looks for the feed in the metadata, and says so when there is none', async () => {
    const changes: RevocationFeedChange[] = [];
    const revocation = { clientId: 'desk', clientSecret: 'a secret' };
    const { guard } = guarded(issuer.url, { revocation, onRevocationFeed: (change) => changes.push(change) });
    guards.push(guard);
    expect((await guard.verifyToken(await issuer.sign())).ok).toBe(true);
    expect(changes).toMatchObject([{ state: 'interrupted', cause: expect.any(Error) }]);
    expect(String(changes[0]?.state === 'interrupted' && changes[0].cause)).toContain('revocation_events_endpoint');
  });

  test('connects again, names the last event, and tells of each change once', async () => {
    const { ready, connected, changes, isFresh, clock } = listening();
    await ready();
    feed.beat('41');
    feed.write('id: 42\nevent: revocations\ndata: []\n\n');
    feed.end();
    await connected(2);
    expect(feed.requests.at(-1)?.headers['last-event-id']).toBe('42');
    await until(() => {
      feed.beat();
      return changes.length === 3;
    });
    expect(changes.map(({ state }) => state)).toEqual(['fresh', 'interrupted', 'fresh']);
    expect(isFresh()).toBe(true);
    clock.now = later(clock.now, 6001);
    expect(isFresh()).toBe(false);
  });

  test('tells of another cause when there is one, and of the same cause once', async () => {
    feed.refuseWith(500);
    const { changes, connected } = listening();
    await connected(2);
    feed.refuseWith(401);
    await until(() => changes.length === 2);
    expect(changes.map((change) => String(change.state === 'interrupted' && change.cause))).toEqual([
      expect.stringContaining('status 500'),
      expect.stringContaining('check the client id and secret'),
    ]);
  });

  test.each([401, 404, 429, 500, 302])('goes on trying at status %i, with pauses', async (status) => {
    feed.refuseWith(status);
    const { judge, changes, connected, ready } = listening();
    await connected(3);
    expect(await judge(await issuer.sign())).toBe('taken');
    expect(changes).toHaveLength(1);
    expect(String(changes[0]?.state === 'interrupted' && changes[0].cause)).toContain(`status ${status}`);
    feed.refuseWith(undefined);
    await ready();
  });

  test.each([
    'event: revocations\ndata: {"gid":"grant-1"}\n\n',
    'event: revocations\ndata: [{"grant":"grant-1"}]\n\n',
    'event: revocations\ndata: [\n\n',
    `event: revocations\ndata: ${'x'.repeat(2 * 1024 * 1024)}`,
  ])('does not pass over an event that it cannot read: %#', async (event) => {
    const { ready, changes } = listening();
    await ready();
    feed.write(event);
    await until(() => changes.at(-1)?.state === 'interrupted');
  });

  test('passes over events and fields that it does not know', async () => {
    const { ready, judge } = listening();
    await ready();
    feed.write(': a comment\n\nevent: later\nkind: other\ndata: x\n\n');
    feed.revoke({ gid: 'grant-1', reason: 'reuse' });
    await until(async () => (await judge(await issuer.sign())) === 'revoked');
  });

  test('holds no connection once it is closed, and judges by what it knows', async () => {
    const { guard, ready, judge } = listening();
    await ready();
    feed.revoke({ gid: 'grant-1' });
    const token = await issuer.sign();
    await until(async () => (await judge(token)) === 'revoked');
    guard.close();
    const requests = feed.requests.length;
    await until(() => feed.requests.every(({ socket }) => socket.destroyed));
    expect(await judge(token)).toBe('revoked');
    expect(feed.requests).toHaveLength(requests);
  });
});

test('the README’s example listens', async () => {
  issuer.interfere(() => false);
  const guard = listeningGuard(issuer.url, RESOURCE, 'a secret');
  guards.push(guard);
  expect(guard.metrics().revocation).toMatchObject({ mode: 'feed', fresh: false });
});

describe('a feed that is silent', () => {
  test('closes the guard after a minute: 503 with Retry-After and no challenge, never 401', async () => {
    const { guard, clock, judge, ready, metrics } = listening();
    await ready();
    const token = await issuer.sign({ claims: { exp: NOON.getTime() / 1000 + 3600 } });
    expect(await judge(token)).toBe('taken');
    clock.now = later(NOON, MINUTE_MS);
    expect([await judge(token), metrics().closed]).toEqual(['taken', false]);
    clock.now = later(NOON, MINUTE_MS + 1);
    const answer = await guard.protect(message(token), () => new Response('handled'));
    expect([answer.status, answer.headers.get('retry-after')]).toEqual([503, '5']);
    expect(answer.headers.get('www-authenticate')).toBeNull();
    expect(metrics().closed).toBe(true);
    feed.beat();
    await until(async () => (await judge(token)) === 'taken');
  });

  test('leaves it open where it is told so, and what is known stays known', async () => {
    const { clock, judge, ready } = listening({ whenFeedIsDown: 'until-expiry' });
    await ready();
    const long = { exp: NOON.getTime() / 1000 + 3600 };
    const [token, other] = [await issuer.sign({ claims: long }), await issuer.sign({ claims: { ...long, gid: 'g' } })];
    feed.revoke({ gid: 'grant-1' });
    await until(async () => (await judge(token)) === 'revoked');
    clock.now = later(NOON, 30 * MINUTE_MS);
    expect([await judge(token), await judge(other)]).toEqual(['revoked', 'taken']);
  });

  test('is judged by its own rule: the limit, and a clock that was set back', () => {
    const policy = { whenFeedIsDown: 'fail-closed-after', failClosedAfterSeconds: 6 } as const;
    expect(isClosed(policy, NOON, later(NOON, 6000))).toBe(false);
    expect(isClosed(policy, NOON, later(NOON, 6001))).toBe(true);
    expect(isClosed(policy, NOON, later(NOON, -1))).toBe(true);
    expect(isClosed({ whenFeedIsDown: 'until-expiry' }, NOON, later(NOON, -1))).toBe(false);
  });
});

describe('a guard without credentials', () => {
  test('says so at the start and in its metrics, and connects nowhere', async () => {
    const changes: RevocationFeedChange[] = [];
    const { guard } = guarded(issuer.url, { onRevocationFeed: (change) => changes.push(change) });
    expect(changes).toEqual([{ state: 'until-expiry' }]);
    expect(guard.metrics().revocation).toEqual({
      mode: 'until-expiry',
      fresh: false,
      ageSeconds: undefined,
      closed: false,
      revokedGrants: 0,
    });
    expect((await guard.verifyToken(await issuer.sign({ claims: { gid: undefined } }))).ok).toBe(true);
    expect(feed.requests).toEqual([]);
    guard.close();
  });
});

describe('what a guard remembers', () => {
  const principal = (grantId: string, issuedAt = NOON) => ({
    ...{ subject: 'u', clientId: 'c', scopes: [], tokenId: 't', issuer: 'i', audience: 'a' },
    credential: 'access_token' as const,
    ...{ grantId, issuedAt, expiresAt: later(issuedAt, 300_000) },
  });
  const all = (gid: string) => ({ gid, issuedUntil: Number.POSITIVE_INFINITY });

  test('is let go of when no token can be left, after 70 minutes', () => {
    const grants = createRevokedGrants();
    grants.add([all('a')], NOON);
    grants.add([all('b')], later(NOON, MINUTE_MS));
    grants.add([all('a')], later(NOON, 2 * MINUTE_MS));
    grants.prune(later(NOON, 70 * MINUTE_MS));
    expect([grants.size, grants.covers(principal('a')), grants.covers(principal('b'))]).toEqual([2, true, true]);
    grants.prune(later(NOON, 71 * MINUTE_MS));
    expect([grants.size, grants.covers(principal('a')), grants.covers(principal('b'))]).toEqual([1, true, false]);
    grants.prune(later(NOON, 72 * MINUTE_MS));
    expect(grants.size).toBe(0);
  });

  test('is bounded: with too many grants every token is refused that was issued until then, and none is forgotten', () => {
    const grants = createRevokedGrants(1000);
    for (let count = 0; count < 5000; count += 1) {
      grants.add([all(`grant-${count}`)], NOON);
      expect(grants.size).toBeLessThanOrEqual(1000);
    }
    for (let count = 0; count < 5000; count += 1) expect(grants.covers(principal(`grant-${count}`))).toBe(true);
    expect(grants.covers(principal('innocent', later(NOON, 1000)))).toBe(false);
  });
});

describe('options that cannot work', () => {
  test.each([
    [{ clientId: '' }, 'revocation needs a clientId and a clientSecret'],
    [{ clientSecret: '' }, 'revocation needs a clientId and a clientSecret'],
    [{ eventsUrl: 'http://login.example.com/revocations' }, 'revocation.eventsUrl must be an https URL'],
    [{ failClosedAfterSeconds: 5 }, 'revocation.failClosedAfterSeconds must be 6 to 3600'],
  ])('%p', (wrong, problem) => {
    expect(() => listening(wrong)).toThrow(problem);
  });
});
