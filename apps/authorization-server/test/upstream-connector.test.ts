import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Secret } from '@portcullis/platform';
import { createEgress } from '../src/egress/egress.ts';
import { createConnector } from '../src/upstream/connector.ts';
import type { Revocation } from '../src/upstream/presets.ts';
import { upstreamOf } from '../src/upstream/upstream.ts';

const now = new Date('2026-11-20T10:00:00Z');
const tokens = { accessToken: 'an access token', refreshToken: undefined, accessExpiresAt: undefined };

/** What the service answers, whatever it is asked. */
let answer: { status: number; body: string };
let server: Server;
let origin: string;
beforeAll(async () => {
  server = createServer((_request, response) => {
    response.writeHead(answer.status, { 'content-type': 'application/json' }).end(answer.body);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => void server.close());

function connector(style: Revocation['style'] = 'rfc7009') {
  const given = {
    clientId: 'portcullis',
    issuer: origin,
    authorizationEndpoint: `${origin}/authorize`,
    tokenEndpoint: `${origin}/token`,
    revocationEndpoint: `${origin}/revoke`,
    user: { endpoint: `${origin}/user`, id: 'user_id' },
    scopes: {},
  };
  const upstream = upstreamOf('elsewhere', given, new Secret('secret'));
  const egress = createEgress({ trusted: { origins: [origin], mayConnectTo: () => true } });
  return createConnector(
    { ...upstream, revocation: { style, endpoint: `${origin}/revoke` } },
    { egress, now: () => now },
  );
}

const saying = (status: number, body: object = {}) => {
  answer = { status, body: JSON.stringify(body) };
};

describe('a service that is asked whether it still knows a token', () => {
  test.each([
    ['a user', 200, { user_id: 'U1' }, true],
    ['status 401', 401, {}, false],
    ['nobody, as Slack does', 200, { ok: false, error: 'token_revoked' }, false],
    ['that it is in trouble', 503, {}, true],
    ['that there were too many questions', 429, {}, true],
  ])('and answers %s', async (_words, status, body, known) => {
    saying(status, body);
    expect(await connector().knows(tokens)).toBe(known);
  });
});

describe('a service that says whose tokens it gave: two accounts are never taken for one', () => {
  const long = 'x'.repeat(255);
  test.each([
    ['a number', '583231', '583231'],
    ['the longest name there may be', `"${long}"`, long],
    ['a longer one', `"${long}y"`, undefined],
    ['a number that JSON rounds', '9007199254740993', undefined],
    ['a number with a fraction', '1.5', undefined],
    ['neither a text nor a number', '["U1"]', undefined],
  ])('%s', async (_what, id, subject) => {
    const given = '"access_token":"an access token","token_type":"bearer","scope":"read"';
    answer = { status: 200, body: `{${given},"user_id":${id}}` };
    const finished = await connector().finish({
      answer: new URLSearchParams({ code: 'a code', state: 'a state', iss: origin }),
      secrets: { state: 'a state', nonce: undefined, codeVerifier: 'v'.repeat(43) },
      scopes: ['read'],
      redirectUri: 'https://login.example/upstream/callback',
      now,
    });
    if (subject !== undefined) expect(finished).toMatchObject({ ok: true, value: { subject } });
    // The tokens are to be revoked.
    else expect(finished).toMatchObject({ ok: false, failure: 'bad_answer', unkept: { tokens } });
  });
});

describe('a service that is asked to refresh', () => {
  test.each([
    [400, 'invalid_grant', 'over'],
    [200, 'bad_refresh_token', 'over'],
    [200, 'invalid_refresh_token', 'over'],
    [403, 'unauthorized_client', 'over'],
    [200, 'slow_down', 'bad_answer'],
    [400, 'invalid_request', 'error'],
    [503, 'invalid_grant', 'bad_answer'],
  ])('and answers %i %s: %s', async (status, error, failure) => {
    saying(status, { error });
    const refresh = { refreshToken: 'a refresh token', scopes: [], now };
    expect(await connector().refresh(refresh)).toMatchObject({ ok: false, failure });
  });
});

describe('a service that is asked to revoke', () => {
  test.each([
    ['rfc7009', 200, {}, true],
    ['rfc7009', 400, { error: 'invalid_token' }, true],
    ['rfc7009', 401, { error: 'invalid_client' }, false],
    ['rfc7009', 503, {}, false],
    ['github', 204, undefined, true],
    ['github', 404, {}, true],
    ['github', 422, {}, true],
    ['github', 200, {}, false],
    ['github', 401, {}, false],
    ['github', 403, {}, false],
    ['github', 429, {}, false],
    ['github', 500, {}, false],
    ['bearer', 200, { ok: true, revoked: true }, true],
    ['bearer', 200, { ok: false, error: 'token_revoked' }, true],
    ['bearer', 200, { ok: false, error: 'invalid_auth' }, true],
    ['bearer', 200, { ok: false, error: 'internal_error' }, false],
    ['bearer', 200, 'no JSON', false],
    ['bearer', 429, { ok: true }, false],
  ] as const)('(%s) and answers %i %j: revoked is %s', async (style, status, body, revoked) => {
    answer = { status, body: typeof body === 'string' ? body : JSON.stringify(body ?? '') };
    expect((await connector(style).revoke(tokens)).ok).toBe(revoked);
  });
});
