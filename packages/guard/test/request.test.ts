import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { guarded, message } from './support/guarded.ts';
import { RESOURCE, startIssuer, type TestIssuer } from './support/issuer.ts';

let issuer: TestIssuer;
let token: string;
beforeAll(async () => {
  issuer = await startIssuer();
  token = await issuer.sign();
});
afterAll(() => issuer.close());

const METADATA = 'https://mcp.example.com/.well-known/oauth-protected-resource';
const CHALLENGE = `Bearer realm="mcp", resource_metadata="${METADATA}/mcp", scope="desk:read", DPoP algs="ES256 EdDSA Ed25519 PS256 RS256"`;
const reached = () => new Response('reached');
const origin = 'https://mcp.example.com';

/** Sends a request through `protect`; the handler says that it was reached. */
async function through(request: Request, options = {}) {
  const { guard, refusals } = guarded(issuer.url, options);
  const response = await guard.protect(request, reached);
  return { status: response.status, headers: response.headers, text: await response.text(), refusals };
}

describe('credentials', () => {
  test.each(['POST', 'GET', 'HEAD', 'DELETE'])(
    'RS-14, RS-13, RS-12, RS-4, TR-3: %s without any gets a bare challenge',
    async (method) => {
      const answer = await through(new Request(RESOURCE, { method }));
      expect(answer.status).toBe(401);
      expect(answer.headers.get('www-authenticate')).toBe(CHALLENGE);
      expect(answer.refusals).toEqual([{ reason: 'no_credentials' }]);
    },
  );

  test.each(['Basic dXNlcjpwYXNz', 'DPoPx abc', 'Bearerx', ''])(
    'another scheme counts as none: %j',
    async (authorization) => {
      const answer = await through(message(undefined, { authorization }));
      expect(answer.status).toBe(401);
      expect(answer.headers.get('www-authenticate')).toBe(CHALLENGE);
    },
  );

  test.each(['Bearer', 'Bearer a b', 'Bearer a,b', 'Bearer "a"', 'Bearer \tx', 'DPoP', 'DPoP a b', 'DPoP a,b'])(
    'RS-17: malformed: %j',
    async (value) => {
      const answer = await through(message(undefined, { authorization: value }));
      expect(answer.status).toBe(400);
      expect(answer.headers.get('www-authenticate')).toMatch(/^(Bearer|DPoP) realm="mcp", error="invalid_request", /);
    },
  );

  test('two Authorization headers are refused, though one of them is good', async () => {
    const request = message(token);
    request.headers.append('authorization', 'Bearer other');
    expect(await through(request)).toMatchObject({ status: 400, refusals: [{ reason: 'malformed_credentials' }] });
  });

  test('the scheme’s case does not matter', async () => {
    expect(await through(message(undefined, { authorization: `bearer ${token}` }))).toMatchObject({ text: 'reached' });
  });

  test('RS-27: a token in the query is refused, beside a good header too', async () => {
    for (const request of [
      message(undefined, {}, `${RESOURCE}?access_token=${token}`),
      message(token, {}, `${RESOURCE}?access%5Ftoken=`),
    ]) {
      const answer = await through(request);
      expect(answer).toMatchObject({ status: 400, refusals: [{ reason: 'token_in_query' }] });
      expect(answer.headers.get('www-authenticate')).toContain('error="invalid_request"');
      expect(answer.text).not.toContain(token);
    }
  });

  test('RS-11, RS-16: Bearer is the first challenge, each parameter once and quoted', async () => {
    const header = (await through(message('x.y.z'))).headers.get('www-authenticate') ?? '';
    expect(header).toMatch(/^Bearer .*, DPoP /);
    const pairs = header.replace(/^Bearer /, '').split(/, (?:DPoP )?(?=[a-z_]+=)/);
    expect(pairs.every((pair) => /^[a-z_]+="[\x20\x21\x23-\x5b\x5d-\x7e]*"$/.test(pair))).toBe(true);
    expect(new Set(pairs.map((pair) => pair.split('=')[0])).size).toBe(pairs.length);
  });

  test('RS-26: a good token on one request opens nothing for the next', async () => {
    const { guard } = guarded(issuer.url);
    const session = { 'mcp-session-id': 'known' };
    const statuses = [];
    for (const credentials of [token, undefined]) {
      statuses.push((await guard.protect(message(credentials, session), reached)).status);
    }
    expect(statuses).toEqual([200, 401]);
  });

  test('TR-22: who has no token is told so, whatever version of the protocol he speaks', async () => {
    for (const version of ['2024-10-07', '2025-11-25', '2026-07-28', '2099-01-01', 'banana']) {
      const answer = await through(message(undefined, { 'mcp-protocol-version': version, 'mcp-method': 'x' }));
      expect(answer).toMatchObject({ status: 401, refusals: [{ reason: 'no_credentials' }] });
    }
  });

  test('a refusal is not cached', async () => {
    expect((await through(message())).headers.get('cache-control')).toBe('no-store');
  });
});

describe('TR-4, SP-31: Host', () => {
  test.each([
    'evil.example',
    'mcp.example.com.evil.example',
    'mcp.example.com:8080',
    'mcp.example.com@evil.example',
    'mcp.example.com, evil.example',
    '127.0.0.1',
    '',
  ])('%j is foreign', async (host) => {
    const answer = await through(message(token, { host }));
    expect(answer).toMatchObject({ status: 403, refusals: [{ reason: 'foreign_host' }] });
    expect(answer.headers.get('access-control-allow-origin')).toBeNull();
  });

  test.each(['mcp.example.com', 'MCP.Example.Com', 'mcp.example.com:443'])('%j is ours', async (host) => {
    expect(await through(message(token, { host }))).toMatchObject({ status: 200 });
  });

  test('X-Forwarded-Host changes nothing', async () => {
    expect((await through(message(token, { 'x-forwarded-host': 'evil.example' }))).status).toBe(200);
    const foreign = { host: 'evil.example', 'x-forwarded-host': 'mcp.example.com' };
    expect((await through(message(token, foreign))).status).toBe(403);
  });

  test('other names can be allowed, and then only they are', async () => {
    const options = { allowedHosts: ['internal:4001'] };
    expect((await through(message(token, { host: 'internal:4001' }), options)).status).toBe(200);
    expect((await through(message(token, { host: 'mcp.example.com' }), options)).status).toBe(403);
  });

  test('the URL counts where there is no header', async () => {
    expect((await through(message(token, {}, 'https://evil.example/mcp'))).status).toBe(403);
  });
});

describe('TR-1, SP-31: Origin', () => {
  test.each([
    'https://evil.example',
    'null',
    'http://mcp.example.com',
    'https://mcp.example.com:8443',
    'https://mcp.example.com.evil.example',
    'https://mcp.example.com/',
    '',
  ])('%j is foreign, with a good token too', async (value) => {
    for (const credentials of [token, undefined]) {
      const answer = await through(message(credentials, { origin: value }));
      expect(answer).toMatchObject({ status: 403, refusals: [{ reason: 'foreign_origin' }] });
      expect(answer.headers.get('access-control-allow-origin')).toBeNull();
      expect(answer.headers.get('www-authenticate')).toBeNull();
    }
  });

  test('no Origin, our own, and one that is allowed may call', async () => {
    const options = { allowedOrigins: ['http://localhost:6274', 'vscode-webview://abc'] };
    for (const headers of [{}, { origin }, { origin: 'http://localhost:6274' }, { origin: 'vscode-webview://abc' }]) {
      expect((await through(message(token, headers), options)).status).toBe(200);
    }
  });

  test('authenticate alone judges Host and Origin too', async () => {
    const { guard } = guarded(issuer.url);
    for (const headers of [{ host: 'evil.example' }, { origin: 'null' }]) {
      expect(await guard.authenticate(message(token, headers))).toMatchObject({ ok: false, response: { status: 403 } });
    }
  });
});

describe('RS-15: browser clients', () => {
  const preflight = (from: string, asked = 'authorization') =>
    new Request(RESOURCE, {
      method: 'OPTIONS',
      headers: { origin: from, 'access-control-request-method': 'POST', 'access-control-request-headers': asked },
    });

  test('a preflight needs no token and allows what MCP clients send', async () => {
    const { status, headers } = await through(preflight(origin, 'authorization, mcp-param-region, x-other'));
    expect(status).toBe(204);
    expect(headers.get('access-control-allow-origin')).toBe(origin);
    expect(headers.get('access-control-allow-credentials')).toBeNull();
    expect(headers.get('access-control-allow-methods')).toBe('GET, POST, DELETE, OPTIONS');
    expect(headers.get('access-control-allow-headers')).toBe(
      'Authorization, Content-Type, DPoP, MCP-Protocol-Version, Mcp-Method, Mcp-Name, Mcp-Session-Id, Last-Event-ID, mcp-param-region',
    );
  });

  test('a preflight of a foreign origin is refused', async () => {
    expect(await through(preflight('https://evil.example'))).toMatchObject({ status: 403 });
    expect(guarded(issuer.url).guard.preflight(preflight('null'))?.status).toBe(403);
    expect(guarded(issuer.url).guard.preflight(message())).toBeUndefined();
  });

  test.each([
    ['the handler’s answer', () => token, 200],
    ['the challenge', () => undefined, 401],
    ['a bad token’s answer', () => 'x', 401],
  ])('can read %s', async (_name, credentials, status) => {
    const answer = await through(message(credentials(), { origin }));
    expect(answer.status).toBe(status);
    expect(answer.headers.get('access-control-allow-origin')).toBe(origin);
    expect(answer.headers.get('access-control-expose-headers')).toContain(
      'WWW-Authenticate, DPoP-Nonce, Mcp-Session-Id',
    );
    expect(answer.headers.get('vary')).toContain('Origin');
  });

  test('an answer that came from fetch gets its headers too', async () => {
    const fetched = await fetch(`${issuer.url}/jwks`);
    const response = await guarded(issuer.url).guard.protect(message(token, { origin }), () => fetched);
    expect(response.headers.get('access-control-allow-origin')).toBe(origin);
    expect(await response.json()).toHaveProperty('keys');
  });
});

describe('protected-resource metadata', () => {
  test.each(['', '/mcp'])('RS-1, RS-2, RS-5, RS-8, RS-9: is at %j for everybody, with the one issuer', async (path) => {
    const request = new Request(METADATA + path, { headers: { origin: 'https://anywhere.example' } });
    const { status, headers, text } = await through(request, { resourceName: 'Desk' });
    expect(status).toBe(200);
    expect(headers.get('content-type')).toBe('application/json');
    expect(headers.get('access-control-allow-origin')).toBe('*');
    expect(headers.get('cache-control')).toBe('public, max-age=300');
    expect(JSON.parse(text)).toEqual({
      resource: RESOURCE,
      authorization_servers: [issuer.url],
      scopes_supported: ['desk:read'],
      bearer_methods_supported: ['header'],
      dpop_signing_alg_values_supported: ['ES256', 'EdDSA', 'Ed25519', 'PS256', 'RS256'],
      resource_name: 'Desk',
    });
  });

  test('answers HEAD and OPTIONS, and nothing that writes', async () => {
    const { guard } = guarded(issuer.url);
    const answer = (method: string) => guard.metadata(new Request(METADATA, { method }));
    expect([answer('HEAD')?.status, await answer('HEAD')?.text()]).toEqual([200, '']);
    expect(answer('OPTIONS')?.headers.get('access-control-allow-headers')).toContain('MCP-Protocol-Version');
    expect([answer('POST')?.status, answer('POST')?.headers.get('allow')]).toEqual([405, 'GET, HEAD, OPTIONS']);
    expect(guard.metadata(new Request(`${METADATA}/other`))).toBeUndefined();
  });

  test('no header of a request changes a URL in it', async () => {
    const headers = { 'x-forwarded-host': 'evil.example', 'x-forwarded-proto': 'http', forwarded: 'host=evil.example' };
    expect((await through(new Request(METADATA, { headers }))).text).not.toContain('evil.example');
    const foreign = guarded(issuer.url).guard.metadata(new Request(METADATA, { headers: { host: 'evil.example' } }));
    expect(await foreign?.json()).toMatchObject({ resource: RESOURCE });
    expect((await through(new Request(METADATA, { headers: { host: 'evil.example' } }))).status).toBe(403);
  });

  test('RS-3: a resource without a path has no trailing slash anywhere', async () => {
    const options = { resource: 'https://mcp.example.com', scopes: { supported: [], baseline: [] } };
    const { guard } = guarded(issuer.url, options);
    expect(guard.resourceMetadataUrl).toBe(METADATA);
    const document = await guard.metadata(new Request(METADATA))?.json();
    expect(document).toMatchObject({ resource: 'https://mcp.example.com' });
    expect(document).not.toHaveProperty('scopes_supported');
    const bare = await through(message(), options);
    expect(bare.headers.get('www-authenticate')).toMatch(`Bearer realm="mcp", resource_metadata="${METADATA}", DPoP `);
  });
});

describe('step-up', () => {
  test('RS-18, RS-19, SP-23: 403 names the baseline and all that is needed, once each', async () => {
    const { guard, refusals } = guarded(issuer.url);
    const required = ['desk:write', 'desk:read'];
    const response = guard.insufficientScope({ request: message(token, { origin }), required });
    expect(response.status).toBe(403);
    expect(response.headers.get('www-authenticate')).toBe(
      'Bearer realm="mcp", error="insufficient_scope", error_description="More scopes are needed for this.", ' +
        `resource_metadata="${METADATA}/mcp", scope="desk:read desk:write"`,
    );
    expect(response.headers.get('access-control-allow-origin')).toBe(origin);
    expect(refusals).toEqual([{ reason: 'insufficient_scope', required }]);
  });
});

describe('the body', () => {
  const post = (body: BodyInit, headers: Record<string, string> = {}) =>
    new Request(RESOURCE, {
      method: 'POST',
      body,
      duplex: 'half',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json', ...headers },
    } as RequestInit);
  const stream = (chunks: number, onPull: () => void = () => undefined) => {
    let sent = 0;
    return new ReadableStream({
      pull(controller) {
        onPull();
        if (sent++ < chunks) controller.enqueue(new Uint8Array(1000));
        else controller.close();
      },
    });
  };

  test.each(['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data', 'application/jsonx', ''])(
    'TR-6: %j is refused',
    async (type) => {
      expect(await through(post('{}', { 'content-type': type }))).toMatchObject({ status: 415 });
    },
  );

  test('TR-6: JSON with parameters is taken', async () => {
    expect((await through(post('{}', { 'content-type': 'Application/JSON; charset=utf-8' }))).status).toBe(200);
  });

  test('one that announces too much is refused', async () => {
    const answer = await through(post('{}', { 'content-length': '1048577' }));
    expect(answer).toMatchObject({ status: 413, refusals: [{ reason: 'body_too_large' }] });
  });

  test('one that announces nothing is cut off at the limit', async () => {
    let pulls = 0;
    const endless = stream(1_000_000, () => {
      pulls += 1;
    });
    expect(await through(post(endless), { bodyLimitBytes: 5000 })).toMatchObject({ status: 413 });
    expect(pulls).toBeLessThan(10);
  });

  test('one within the limit arrives whole', async () => {
    const { guard } = guarded(issuer.url, { bodyLimitBytes: 5000 });
    const echo = async (request: Request) => new Response(await request.arrayBuffer());
    const response = await guard.protect(post(stream(5)), echo);
    expect((await response.arrayBuffer()).byteLength).toBe(5000);
  });

  test('RS-28: without a good token nothing of it is read', async () => {
    const { guard } = guarded(issuer.url);
    const request = message('x');
    expect((await guard.protect(request, reached)).status).toBe(401);
    expect(request.bodyUsed).toBe(false);
  });
});
