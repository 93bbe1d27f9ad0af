import { randomBytes } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { formatPersonalAccessToken, type Guard, type GuardOptions, isPersonalAccessToken } from '../src/index.ts';
import { startFeed, type TestFeed, until } from './support/feed.ts';
import { guarded, later, message } from './support/guarded.ts';
import { goodAnswer, introspectionEndpoint, type TestIntrospection } from './support/introspection-endpoint.ts';
import { NOON, RESOURCE, startIssuer, type TestIssuer } from './support/issuer.ts';

const MINUTE_MS = 60_000;

let issuer: TestIssuer;
let endpoint: TestIntrospection;
let feed: TestFeed;
const guards: Guard[] = [];
beforeEach(async () => {
  issuer = await startIssuer();
  endpoint = introspectionEndpoint();
  feed = startFeed(issuer, endpoint.interference);
});
afterEach(async () => {
  for (const guard of guards.splice(0)) guard.close();
  await issuer.close();
});

type Changes = {
  introspection?: GuardOptions['introspection'] | 'from metadata';
  revocation?: Partial<NonNullable<GuardOptions['revocation']>>;
} & Partial<Pick<GuardOptions, 'proofOfPossession'>>;

/** A guard that has heard of its feed and asks at the endpoint. */
async function asking({ introspection, revocation, ...options }: Changes = {}) {
  const made = guarded(issuer.url, {
    revocation: { clientId: 'desk', clientSecret: 'a secret', eventsUrl: feed.url, ...revocation },
    introspection: introspection === 'from metadata' ? {} : { url: `${issuer.url}/introspect`, ...introspection },
    ...options,
  });
  guards.push(made.guard);
  await until(() => {
    feed.beat();
    return made.guard.metrics().revocation.fresh;
  });
  const judge = async (token: string) => {
    const verdict = await made.guard.verifyToken(token);
    return verdict.ok ? 'taken' : verdict.refusal.reason;
  };
  return { ...made, judge };
}

const newToken = () => formatPersonalAccessToken(randomBytes(32));
const answer = (claims?: Record<string, unknown>) =>
  endpoint.answerWith(() => ({ status: 200, body: goodAnswer(issuer.url, claims) }));

describe('a personal access token (SP-14)', () => {
  test('is asked about with the resource server’s credentials, and becomes a principal that says what it was', async () => {
    answer();
    const { guard } = await asking();
    const token = await newToken();
    const result = await guard.authenticate(message(token));
    expect(result).toMatchObject({
      ok: true,
      principal: {
        credential: 'personal_access_token',
        subject: 'user-1',
        clientId: 'personal-access-token',
        scopes: ['desk:read', 'desk:write'],
        roles: ['agent'],
        grantId: 'pat-1',
      },
    });
    expect(JSON.stringify(result)).not.toContain(token.slice(4, 30));
    const [question] = endpoint.asked;
    expect(Buffer.from(question?.authorization?.split(' ')[1] ?? '', 'base64').toString()).toBe('desk:a+secret');
    expect([...(question?.form ?? [])]).toEqual([['token', token]]);
  });

  test('is found at the endpoint that the metadata names; an issuer that names none cannot be asked', async () => {
    const { judge, refusals } = await asking({ introspection: 'from metadata' });
    const token = await newToken();
    expect(await judge(token)).toBe('introspection_unavailable');
    expect(String((refusals[0] as { cause?: unknown }).cause)).toContain('introspection_endpoint');
    const documents = (request: { url?: string | undefined }) =>
      request.url?.startsWith('/.well-known/')
        ? { issuer: issuer.url, introspection_endpoint: `${issuer.url}/introspect` }
        : undefined;
    issuer.interfere((request, response) => {
      const document = documents(request);
      if (document) response.end(JSON.stringify(document));
      return document !== undefined || endpoint.interference(request, response);
    });
    answer();
    expect(await judge(token)).toBe('taken');
  });

  test('never reaches the issuer without the prefix, whole form and right checksum', async () => {
    answer();
    const { judge } = await asking();
    const token = await newToken();
    const flipped = (at: number) => `${token.slice(0, at)}${token[at] === 'A' ? 'B' : 'A'}${token.slice(at + 1)}`;
    const wrong = [
      ...[4, 20, 46, 47, 52].map(flipped),
      ...[token.slice(0, -1), `${token}A`, token.toUpperCase(), token.slice(4), `pcr_${token.slice(4)}`, `${token}==`],
      ...['pct_', `pct_${'A'.repeat(49)}`, `pct_${'A'.repeat(100_000)}`, `x${token}`],
    ];
    for (const string of wrong) {
      expect(await isPersonalAccessToken(string)).toBe(false);
      expect(await judge(string)).toBe('malformed_token');
    }
    expect(endpoint.asked).toEqual([]);
    expect(await judge(token)).toBe('taken');
  });

  test('is refused by a guard without credentials, which asks nobody', async () => {
    answer();
    const { guard } = guarded(issuer.url);
    expect((await guard.authenticate(message(await newToken()))).ok).toBe(false);
    expect(endpoint.asked).toEqual([]);
  });

  test('is refused where a proof is demanded, and when it is shown as if it were bound', async () => {
    answer();
    const { guard } = await asking();
    const asProven = message(undefined, { authorization: `DPoP ${await newToken()}` });
    expect((await guard.authenticate(asProven)).ok).toBe(false);
    const { judge } = await asking({ proofOfPossession: 'dpop' });
    expect(await judge(await newToken())).toBe('unbound_token');
  });

  test.each([
    ['says inactive', { active: false }, 'inactive'],
    ['speaks for another issuer', { iss: 'https://other.example' }, 'foreign_issuer'],
    ['names another resource', { aud: 'https://other.example/mcp' }, 'foreign_audience'],
    ['names several resources', { aud: [RESOURCE, 'https://other.example/mcp'] }, 'foreign_audience'],
    ['says that it has ended', { exp: NOON.getTime() / 1000 - 5 }, 'expired'],
    ['names no grant', { gid: undefined }, 'malformed_claims'],
    ['names no end', { exp: undefined }, 'malformed_claims'],
    ['gives no list of roles', { roles: 'lead' }, 'malformed_claims'],
  ])('is refused with 401 when the issuer %s', async (_, claims, reason) => {
    answer(claims);
    const { guard, refusals } = await asking();
    const response = await guard.protect(message(await newToken()), () => new Response('handled'));
    expect(response.status).toBe(401);
    expect(response.headers.get('www-authenticate')).toContain('error="invalid_token"');
    expect(refusals).toEqual([{ reason }]);
  });

  test.each([
    ['refuses our credentials', { status: 401, body: { error: 'invalid_client' } }],
    ['is at fault', { status: 500 }],
    ['is away', { status: 503, body: {} }],
    ['says nothing of the token', { status: 200, body: { scope: 'desk:read' } }],
    ['does not answer', undefined],
  ])('meets 503 with Retry-After, never 401, when the issuer %s', async (_, reply) => {
    endpoint.answerWith(() => reply);
    const { guard, judge } = await asking({ introspection: { timeoutMs: 200 } });
    const token = await newToken();
    const response = await guard.protect(message(token), () => new Response('handled'));
    expect([response.status, response.headers.get('retry-after')]).toEqual([503, '5']);
    expect(response.headers.get('www-authenticate')).toBeNull();
    answer();
    expect(await judge(token)).toBe('taken');
  });
});

describe('what the issuer said of a personal access token', () => {
  test('is kept, for the token that it was said of, and asked once for requests that come together', async () => {
    answer();
    const { judge } = await asking();
    const [token, other] = [await newToken(), await newToken()];
    expect(await Promise.all(Array.from({ length: 8 }, () => judge(token)))).toEqual(Array(8).fill('taken'));
    expect(await judge(token)).toBe('taken');
    expect(endpoint.asked).toHaveLength(1);
    endpoint.answerWith(() => ({ status: 200, body: { active: false } }));
    expect([await judge(other), await judge(token)]).toEqual(['inactive', 'taken']);
  });

  test('is not kept when it was no', async () => {
    endpoint.answerWith(() => ({ status: 200, body: { active: false } }));
    const { judge } = await asking();
    const token = await newToken();
    expect([await judge(token), await judge(token)]).toEqual(['inactive', 'inactive']);
    answer();
    expect(await judge(token)).toBe('taken');
    expect(endpoint.asked).toHaveLength(3);
  });

  test.each([{}, { issued_until: NOON.getTime() / 1000 + 60 }])(
    'is forgotten when the feed tells of a revocation, and what is left is asked for (%j)',
    async (limit) => {
      answer();
      const { judge, guard } = await asking();
      const token = await newToken();
      expect(await judge(token)).toBe('taken');
      feed.revoke({ gid: 'another' });
      answer({ scope: 'desk:read' });
      feed.revoke({ gid: 'pat-1', ...limit });
      await until(async () => {
        const verdict = await guard.verifyToken(token);
        return verdict.ok && verdict.principal.scopes.length === 1;
      });
      endpoint.answerWith(() => ({ status: 200, body: { active: false } }));
      feed.revoke({ gid: 'pat-1' });
      await until(async () => (await judge(token)) === 'inactive');
      expect(endpoint.asked.length).toBeGreaterThanOrEqual(3);
    },
  );

  test('lets nobody in and is not kept when a revocation came while it was on its way', async () => {
    const held = Promise.withResolvers<void>();
    let isRevoked = false;
    endpoint.answerWith(async () => {
      const body = isRevoked ? { active: false } : goodAnswer(issuer.url);
      await held.promise;
      return { status: 200, body };
    });
    const { guard, judge } = await asking();
    const token = await newToken();
    const before = judge(token);
    await until(() => endpoint.asked.length === 1);
    isRevoked = true;
    feed.revoke({ gid: 'pat-1' });
    await until(() => guard.metrics().revocation.revokedGrants === 1);
    const after = Array.from({ length: 8 }, () => judge(token));
    held.resolve();
    expect(await Promise.all([before, ...after])).toEqual(Array(9).fill('inactive'));
    expect(await judge(token)).toBe('inactive');
  });

  test('is asked for a few times only where revocations do not stop: 503 after that', async () => {
    const { guard, judge } = await asking();
    endpoint.answerWith(async () => {
      const gid = `other-${endpoint.asked.length}`;
      feed.revoke({ gid: 'pat-1' }, { gid });
      await until(() => guard.metrics().revocation.revokedGrants === 1 + endpoint.asked.length);
      return { status: 200, body: goodAnswer(issuer.url) };
    });
    const token = await newToken();
    expect([await judge(token), endpoint.asked.length]).toEqual(['introspection_unavailable', 5]);
    answer();
    expect(await judge(token)).toBe('taken');
  });

  test('is asked for again after its time, and after a clock that was set back', async () => {
    answer();
    const { judge, clock } = await asking({ introspection: { cacheSeconds: 30 } });
    const token = await newToken();
    await judge(token);
    clock.now = later(NOON, 29_999);
    await judge(token);
    expect(endpoint.asked).toHaveLength(1);
    clock.now = later(NOON, 30_000);
    await judge(token);
    expect(endpoint.asked).toHaveLength(2);
    clock.now = NOON;
    feed.beat();
    await until(async () => (await judge(token)) === 'taken');
    expect(endpoint.asked.length).toBeGreaterThanOrEqual(3);
  });

  test('is asked for again though made-up tokens keep the issuer busy, and answers to these are slow', async () => {
    answer();
    const { judge, clock } = await asking({ introspection: { cacheSeconds: 30 } });
    const token = await newToken();
    expect(await judge(token)).toBe('taken');
    clock.now = later(NOON, 30_000);
    const held = Promise.withResolvers<void>();
    endpoint.answerWith(async (asked) => {
      if (asked === token) return { status: 200, body: goodAnswer(issuer.url) };
      await held.promise;
      return { status: 200, body: { active: false } };
    });
    const flood = Promise.all((await Promise.all(Array.from({ length: 100 }, newToken))).map(judge));
    await until(() => endpoint.asked.length === 1 + 32);
    expect(await judge(await newToken())).toBe('introspection_unavailable');
    expect(await judge(token)).toBe('taken');
    held.resolve();
    const verdicts = await flood;
    expect(verdicts.filter((verdict) => verdict === 'inactive')).toHaveLength(32);
    expect(verdicts.filter((verdict) => verdict === 'introspection_unavailable')).toHaveLength(68);
  });

  test('does not outlive the token', async () => {
    answer({ exp: NOON.getTime() / 1000 + 60 });
    const { judge, clock } = await asking();
    const token = await newToken();
    expect(await judge(token)).toBe('taken');
    clock.now = later(NOON, 65_000);
    feed.beat();
    await until(async () => (await judge(token)) === 'expired');
    expect(endpoint.asked).toHaveLength(1);
  });

  test('does not outlast an interrupted feed by more than its policy: 503 after it, or asked again after its time', async () => {
    answer();
    const closing = await asking();
    const open = await asking({ revocation: { whenFeedIsDown: 'until-expiry' } });
    const token = await newToken();
    expect([await closing.judge(token), await open.judge(token)]).toEqual(['taken', 'taken']);
    feed.refuseWith(503);
    feed.end();
    endpoint.answerWith(() => ({ status: 200, body: { active: false } }));
    for (const { clock } of [closing, open]) clock.now = later(NOON, MINUTE_MS);
    expect([await closing.judge(token), await open.judge(token)]).toEqual(['taken', 'taken']);
    closing.clock.now = later(NOON, MINUTE_MS + 1);
    expect(await closing.judge(token)).toBe('revocation_unknown');
    open.clock.now = later(NOON, 5 * MINUTE_MS);
    expect(await open.judge(token)).toBe('inactive');
  });
});

describe('questions about access tokens', () => {
  const confirming = () => asking({ introspection: { accessTokens: true } });

  test('are not asked unless it is wished', async () => {
    const { judge } = await asking();
    expect(await judge(await issuer.sign())).toBe('taken');
    expect(endpoint.asked).toEqual([]);
  });

  test('are asked at each request, and leave what the issuer says is left', async () => {
    answer({ scope: 'desk:read desk:admin' });
    const { guard, judge } = await confirming();
    const token = await issuer.sign();
    expect(await guard.verifyToken(token)).toMatchObject({
      ok: true,
      principal: { credential: 'access_token', clientId: 'client-1', grantId: 'grant-1', scopes: ['desk:read'] },
    });
    endpoint.answerWith(() => ({ status: 200, body: { active: false } }));
    expect(await judge(token)).toBe('inactive');
    endpoint.answerWith(() => ({ status: 500 }));
    expect(await judge(token)).toBe('introspection_unavailable');
    answer({ jti: 'another token' });
    expect(await judge(token)).toBe('malformed_claims');
  });

  test('are never asked about a token that does not stand by itself', async () => {
    answer();
    const { judge } = await confirming();
    expect(await judge(await issuer.sign({ claims: { aud: 'https://other.example/mcp' } }))).toBe('foreign_audience');
    feed.revoke({ gid: 'grant-1' });
    await until(async () => (await judge(await issuer.sign())) === 'revoked');
    endpoint.asked.splice(0);
    expect(await judge(await issuer.sign())).toBe('revoked');
    expect(endpoint.asked).toEqual([]);
  });
});

test('options for questions that cannot work are refused at once', () => {
  const credentials = { clientId: 'desk', clientSecret: 'a secret' };
  const making = (options: Partial<GuardOptions>) => () => guarded('https://login.example.com', options);
  expect(making({ introspection: {} })).toThrow('introspection needs the credentials of revocation');
  for (const introspection of [{ url: 'http://a.example' }, { timeoutMs: 99 }, { cacheSeconds: 3601 }])
    expect(making({ revocation: credentials, introspection })).toThrow(/introspection\.\w+ must be/);
});
