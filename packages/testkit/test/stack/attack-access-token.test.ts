import { createPublicKey } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import type { Stack, TokenIssuer } from '../../src/index.ts';
import {
  bearer,
  callMcp,
  createHttpPerson,
  forgeToken,
  pollUntil,
  readToken,
  sendJson,
  sendRaw,
  signWithHmac,
  startStack,
  startTokenIssuer,
} from '../../src/index.ts';
import { adminTokens } from './support/administration.ts';
import { obtainCode, redeem, registerClient, targetOf, tokensOf } from './support/authorization.ts';
import type { KeyThief } from './support/issuer-key.ts';
import { stealSigningKey } from './support/issuer-key.ts';
import { askMcp, callTool, listTools, postMcp } from './support/mcp-message.ts';
import { OWNER_ENV } from './support/owner.ts';

let stack: Stack;
let forge: KeyThief;
let genuine: string;
let foreignIssuer: TokenIssuer;

beforeAll(async () => {
  stack = await startStack({ authorizationServer: OWNER_ENV, env: { PORTCULLIS_ACCESS_TOKEN_TTL: '5' } });
  foreignIssuer = await startTokenIssuer();
  forge = await stealSigningKey(stack);
  const target = await targetOf(stack);
  const client = await registerClient(target);
  genuine = tokensOf(
    await redeem(target, client, { code: await obtainCode(target, client, { person: createHttpPerson() }) }),
  ).access;
});

afterAll(async () => {
  await foreignIssuer?.close();
  await stack?.stop();
});

const nowSeconds = () => Math.floor(Date.now() / 1000);

/** A bad token gets the same words whatever is wrong with it, and no data. */
async function expectInvalidToken(token: string, attempt = 'initialize'): Promise<void> {
  const answer = await callMcp(stack.mcpUrl, { headers: bearer(token) });
  expect([attempt, answer.status]).toEqual([attempt, 401]);
  expect(answer.json).toEqual({
    error: 'invalid_token',
    error_description: 'The access token is not valid for this resource.',
  });
  expect(answer.headers['www-authenticate']).toMatch(/^Bearer .*error="invalid_token"/);
}

describe('a token (RS-10, RS-23)', () => {
  test('that is right in all respects is taken: the forger of these tests knows its craft', async () => {
    expect((await callMcp(stack.mcpUrl, { headers: bearer(await forge()) })).status).toBe(200);
    expect((await callMcp(stack.mcpUrl, { headers: bearer(genuine) })).status).toBe(200);
  });

  test('SP-3, AS-17: a genuine one has one audience and what was asked for, and is refused when it has expired', async () => {
    expect(readToken(genuine).claims).toMatchObject({ aud: stack.mcpUrl, iss: stack.issuer, scope: 'desk:read' });
    // It lives 5 s, and the guard forgives clocks 5 s more.
    await pollUntil(async () => (await callMcp(stack.mcpUrl, { headers: bearer(genuine) })).status === 401, {
      what: 'the end of the token',
      intervalMs: 250,
    });
    await expectInvalidToken(genuine);
    expect(nowSeconds()).toBeGreaterThanOrEqual(Number(readToken(genuine).claims.exp));
  });

  test('RS-24, SP-20: of another audience is refused', async () => {
    for (const aud of [
      'https://elsewhere.example/mcp',
      `${stack.mcpUrl}/`,
      stack.mcpUrl.toUpperCase(),
      stack.mcpUrl.replace('localhost', '127.0.0.1'),
      new URL(stack.mcpUrl).origin,
      stack.issuer,
      '*',
      [stack.mcpUrl, 'https://elsewhere.example/mcp'],
      [],
      '',
      undefined,
    ]) {
      await expectInvalidToken(await forge({ aud }), `aud ${String(aud)}`);
    }
  });

  test('SP-20: of an administrator, for administration, is refused', async () => {
    const { access } = await adminTokens(await targetOf(stack));
    await expectInvalidToken(access);
  });

  test('SP-19: of another issuer is refused, signed with its own key or with ours', async () => {
    await expectInvalidToken(await foreignIssuer.mint(stack.mcpUrl), 'its own key');
    await expectInvalidToken(await foreignIssuer.mint(stack.mcpUrl, { iss: stack.issuer }), 'its own key, our name');
    for (const iss of [foreignIssuer.issuer, `${stack.issuer}/`, `${stack.issuer}/tenant`, '', undefined]) {
      await expectInvalidToken(await forge({ iss }), `iss ${String(iss)}`);
    }
  });

  test('SP-3: without a signature, or with one by our public key as an HMAC secret, is refused', async () => {
    const { header, claims } = readToken(await forge());
    for (const alg of ['none', 'None', 'NONE', '', undefined]) {
      await expectInvalidToken(forgeToken({ ...header, alg }, claims), `alg ${String(alg)}`);
    }
    await expectInvalidToken(forgeToken(header, claims), 'no signature under ES256');
    const { keys } = (await sendJson(`${stack.issuer}/jwks`, {})).json as { keys: [Record<string, string>] };
    const pem = createPublicKey({ key: keys[0], format: 'jwk' }).export({ type: 'spki', format: 'pem' }).toString();
    for (const secret of [pem, JSON.stringify(keys[0]), keys[0].x ?? '']) {
      await expectInvalidToken(forgeToken({ ...header, alg: 'HS256' }, claims, signWithHmac(secret)), 'HS256');
    }
  });

  test('SP-3: with a key that it brings itself is refused, and the key it points to is not fetched', async () => {
    const { privateKey, publicKey } = await generateKeyPair('ES256', { extractable: true });
    const jwk = await exportJWK(publicKey);
    const { header, claims } = readToken(await forge());
    for (const bait of [
      { jwk },
      { jku: `${foreignIssuer.issuer}/jwks` },
      { x5u: `${foreignIssuer.issuer}/jwks` },
      { kid: '../../../../dev/null' },
      { kid: "x' OR '1'='1" },
    ]) {
      const token = await new SignJWT(claims).setProtectedHeader({ alg: 'ES256', ...header, ...bait }).sign(privateKey);
      await expectInvalidToken(token, Object.keys(bait)[0]);
    }
  });

  test('SP-3: that was changed after it was signed is refused', async () => {
    const [header, claims, signature] = (await forge()).split('.');
    const richer = Buffer.from(JSON.stringify({ ...readToken(await forge()).claims, scope: 'desk:read desk:admin' }));
    await expectInvalidToken(`${header}.${richer.toString('base64url')}.${signature}`);
    await expectInvalidToken(`${header}.${claims}.${signature?.split('').reverse().join('')}`);
  });

  test.each([
    ['the type JWT', { typ: 'JWT' }],
    ['an empty type', { typ: '' }],
    ['the type of an ID token', { typ: 'id+jwt' }],
  ])('SP-3: with %s is refused', async (_what, header) => {
    await expectInvalidToken(await forge({}, header));
  });

  test('SP-3: that is not valid yet, or was issued in the future, or says no end, is refused', async () => {
    await expectInvalidToken(await forge({ nbf: nowSeconds() + 60 }), 'nbf');
    await expectInvalidToken(await forge({ iat: nowSeconds() + 60, exp: nowSeconds() + 300 }), 'iat');
    await expectInvalidToken(await forge({ exp: nowSeconds() - 10 }), 'exp past');
    await expectInvalidToken(await forge({ exp: undefined }), 'no exp');
  });

  test.each(['sub', 'client_id', 'jti', 'iat'])('RFC 9068 section 2.2: without %s is refused', async (claim) => {
    await expectInvalidToken(await forge({ [claim]: undefined }));
  });

  test('SP-11: that is bound to a key is refused as a bearer token', async () => {
    const answer = await callMcp(stack.mcpUrl, { headers: bearer(await forge({ cnf: { jkt: 'x'.repeat(43) } })) });
    expect([answer.status, answer.json?.error]).toEqual([401, 'invalid_token']);
    for (const cnf of [{ jkt: 'x' }, { kid: 'key-1' }, {}, 'jkt']) await expectInvalidToken(await forge({ cnf }));
  });

  test('that is no token at all is refused', async () => {
    for (const text of ['x', 'a.b.c', 'e30.e30.e30', 'A'.repeat(15_000), '..', `${await forge()}.x`]) {
      const answer = await callMcp(stack.mcpUrl, { headers: bearer(text) });
      expect([text.slice(0, 20), answer.status]).toEqual([text.slice(0, 20), 401]);
    }
  });
});

describe('where a token stands', () => {
  test('RS-27: in the query it is refused, even beside a good header', async () => {
    const url = `${stack.mcpUrl}?access_token=${await forge()}`;
    for (const headers of [{}, bearer(await forge())]) {
      const answer = await callMcp(url, { headers });
      expect([answer.status, answer.json?.error]).toEqual([400, 'invalid_request']);
    }
  });

  test('in a form, a cookie, another scheme or another header it is nothing', async () => {
    const token = await forge();
    for (const headers of [
      { cookie: `access_token=${token}` },
      { authorization: `Basic ${Buffer.from(`x:${token}`).toString('base64')}` },
      { authorization: token },
      { 'x-access-token': token },
      { 'proxy-authorization': `Bearer ${token}` },
    ]) {
      expect((await callMcp(stack.mcpUrl, { headers: { ...headers } })).status).toBe(401);
    }
    expect((await sendRaw(stack.mcpUrl, { body: new URLSearchParams({ access_token: token }) })).status).toBe(401);
  });

  test('two tokens in one header are malformed', async () => {
    const token = await forge();
    for (const authorization of [`Bearer ${token}, Bearer ${token}`, `Bearer ${token} ${token}`, 'Bearer', 'Bearer ']) {
      const answer = await callMcp(stack.mcpUrl, { headers: { authorization } });
      expect([authorization.slice(-12), answer.status]).toEqual([authorization.slice(-12), 400]);
    }
  });

  test('RS-26: GET and DELETE need one as well', async () => {
    for (const method of ['GET', 'DELETE', 'PUT', 'PATCH', 'HEAD']) {
      expect([method, (await callMcp(stack.mcpUrl, { method })).status]).toEqual([method, 401]);
    }
  });

  test('RS-14: without any, the challenge names no error', async () => {
    const answer = await callMcp(stack.mcpUrl);
    expect(answer.status).toBe(401);
    expect(answer.headers['www-authenticate']).toMatch(/^Bearer realm=".*resource_metadata=".*scope="desk:read"/);
    expect(answer.headers['www-authenticate']).not.toContain('error=');
  });
});

describe('where a request comes from (TR-1, SP-31)', () => {
  test('a foreign Host is refused, with a good token too', async () => {
    for (const host of [
      'attacker.example',
      'localhost',
      'localhost:1',
      `${new URL(stack.mcpUrl).host}.attacker.example`,
    ]) {
      const headers = { ...bearer(await forge()), host };
      const answer = await callMcp(`http://localhost:${stack.mcpPort}/mcp`, { headers });
      expect([host, answer.status]).toEqual([host, 403]);
      // A proxy in front says nothing for sites that it does not know.
      const atFront = await callMcp(stack.mcpUrl, { headers });
      expect([host, atFront.status === 403 || atFront.text === '']).toEqual([host, true]);
    }
  });

  test('a foreign Origin is refused, with a good token too, and may not read the answer', async () => {
    for (const origin of [
      'https://attacker.example',
      'null',
      'http://localhost:1',
      'http://localhost.attacker.example',
      'file://',
    ]) {
      for (const method of ['POST', 'GET', 'OPTIONS']) {
        const answer = await callMcp(stack.mcpUrl, { method, headers: { ...bearer(await forge()), origin } });
        expect([origin, method, answer.status]).toEqual([origin, method, 403]);
        expect(answer.headers['access-control-allow-origin']).toBeUndefined();
      }
    }
  });
});

describe('a tool without its scope (SP-25)', () => {
  const unknown = 'no_such_tool';

  test('hidden: neither listed nor callable, and the answer is that for a tool that does not exist', async () => {
    const token = await forge({ scope: 'desk:write' });
    expect(await listTools(stack.mcpUrl, token)).not.toContain('search_tickets');
    const hidden = await callTool(stack.mcpUrl, { token, name: 'search_tickets' });
    const absent = await callTool(stack.mcpUrl, { token, name: unknown });
    expect(hidden.error?.code).toBe(-32602);
    expect(hidden.status).toBe(absent.status);
    expect(hidden.text.replaceAll('search_tickets', unknown)).toBe(absent.text);
    const unstable = ['date', 'x-correlation-id', 'content-length'];
    const stable = (headers: typeof hidden.headers) =>
      Object.entries(headers).filter(([name]) => !unstable.includes(name));
    expect(stable(hidden.headers)).toEqual(stable(absent.headers));
  });

  test('hidden: also where a role was taken away that the scope still needs', async () => {
    const token = await forge({ scope: 'desk:read desk:write', roles: [] });
    expect(await listTools(stack.mcpUrl, token)).toEqual(['whoami']);
    for (const name of ['search_tickets', 'read_ticket', 'reply_to_ticket']) {
      expect((await callTool(stack.mcpUrl, { token, name })).error?.code).toBe(-32602);
    }
  });

  test('RS-18: challenged: listed, and a call is answered 403 with the scopes to ask for', async () => {
    const token = await forge({ scope: 'desk:read', roles: ['agent'] });
    expect(await listTools(stack.mcpUrl, token)).toContain('reply_to_ticket');
    const args = { ticketId: 'T-1001', body: 'Hello' };
    const answer = await callTool(stack.mcpUrl, { token, name: 'reply_to_ticket', args });
    expect(answer.status).toBe(403);
    const challenge = answer.headers['www-authenticate'] ?? '';
    expect(challenge).toMatch(/^Bearer /);
    expect(challenge).toContain('error="insufficient_scope"');
    expect(/scope="([^"]*)"/.exec(challenge)?.[1]?.split(' ').sort()).toEqual(['desk:read', 'desk:write']);
    expect(challenge).toContain('resource_metadata="');
    expect(answer.headers['access-control-allow-origin']).toBeUndefined();
  });

  test('a scope that only looks alike is none', async () => {
    for (const scope of ['desk:*', '*', 'desk', 'DESK:WRITE', 'desk:write:x', 'desk:read,desk:write', '']) {
      const token = await forge({ scope });
      const { status, error } = await callTool(stack.mcpUrl, {
        token,
        name: 'reply_to_ticket',
        args: { ticketId: 'T-1001', body: 'x' },
      });
      expect([scope, status === 403 || error?.code === -32602]).toEqual([scope, true]);
    }
  });

  test('a batch smuggles no call past the judgement', async () => {
    const token = await forge({ scope: 'desk:write', roles: ['lead'] });
    const call = (id: number, name: string, args = {}) => ({
      jsonrpc: '2.0',
      id,
      method: 'tools/call',
      params: { name, arguments: args },
    });
    for (const batch of [
      [call(1, 'whoami'), call(2, 'search_tickets')],
      [{ jsonrpc: '2.0', id: 1, method: 'tools/list' }, call(2, 'search_tickets')],
      [[call(1, 'search_tickets')]],
      [],
    ]) {
      const answer = await postMcp(stack.mcpUrl, { token, body: JSON.stringify(batch) });
      expect(answer.status).toBe(400);
      expect(answer.text).not.toContain('tickets');
    }
  });

  test('RS-34: headers that name another tool, or a body that names two, do not either', async () => {
    const token = await forge({ scope: 'desk:read', roles: ['agent'] });
    const reply = { name: 'reply_to_ticket', arguments: { ticketId: 'T-1001', body: 'smuggled words' } };
    const meta = {
      'io.modelcontextprotocol/protocolVersion': '2026-07-28',
      'io.modelcontextprotocol/clientCapabilities': {},
      'io.modelcontextprotocol/clientInfo': { name: 'attacker', version: '1' },
    };
    const modern = { jsonrpc: '2.0', id: 1, method: 'tools/call', params: { ...reply, _meta: meta } };
    const bodies: [string, Record<string, string>][] = [
      [
        JSON.stringify(modern),
        { 'mcp-protocol-version': '2026-07-28', 'mcp-method': 'tools/call', 'mcp-name': 'whoami' },
      ],
      [JSON.stringify(modern), { 'mcp-protocol-version': '2026-07-28', 'mcp-method': 'tools/list' }],
      [
        '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"whoami","name":"reply_to_ticket","arguments":{"ticketId":"T-1001","body":"smuggled words"}}}',
        {},
      ],
      [
        '{"jsonrpc":"2.0","id":1,"method":"tools/list","method":"tools/call","params":{"name":"reply_to_ticket","arguments":{"ticketId":"T-1001","body":"smuggled words"}}}',
        {},
      ],
      [JSON.stringify({ jsonrpc: '2.0', method: 'tools/call', params: reply }), {}],
    ];
    for (const [body, headers] of bodies) {
      const answer = await postMcp(stack.mcpUrl, { token, body, headers });
      expect(answer.result?.structuredContent).toBeUndefined();
    }
    const reader = await forge({ scope: 'desk:read', roles: ['lead'] });
    const { text } = await callTool(stack.mcpUrl, { token: reader, name: 'read_ticket', args: { ticketId: 'T-1001' } });
    expect(text).not.toContain('smuggled words');
  });

  test('RS-26, SP-34: what one token was told counts nothing for the next, whatever session that names', async () => {
    const rich = await forge({ scope: 'desk:read desk:write', roles: ['lead'] });
    const first = await callMcp(stack.mcpUrl, { headers: bearer(rich) });
    const session = String(first.headers['mcp-session-id'] ?? 'made-up');
    const poor = await forge({ scope: 'other', roles: ['lead'] });
    const body = JSON.stringify({
      jsonrpc: '2.0',
      id: 2,
      method: 'tools/call',
      params: { name: 'search_tickets', arguments: {} },
    });
    const answer = await postMcp(stack.mcpUrl, { token: poor, body, headers: { 'mcp-session-id': session } });
    expect(answer.result).toBeUndefined();
    expect((await askMcp(stack.mcpUrl, { token: rich, method: 'tools/list' })).status).toBe(200);
  });
});
