import { describe, expect, test } from '@jest/globals';
import { createGuard } from '../src/index.ts';
import { createTestIssuer } from '../src/testing.ts';
import { answerTo } from './examples/testing.ts';

const resource = 'https://mcp.example.com/mcp';

describe('an issuer for other people’s tests', () => {
  test('the example of the README answers as the server would', async () => {
    const handler = () => new Response('done');
    expect(await (await answerTo('close_ticket', 'desk:write', handler)).text()).toBe('done');
    expect((await answerTo('close_ticket', 'desk:read', handler)).status).toBe(403);
    expect(await (await answerTo('export_customers', 'desk:read', handler)).text()).toContain('-32602');
  });

  test('signs what the test says, also what a guard must refuse', async () => {
    const { issuer, fetch, token } = await createTestIssuer();
    const guard = createGuard({ issuer, resource, fetch, scopes: { baseline: [] } });
    const judge = async (signed: string) => {
      const verdict = await guard.verifyToken(signed);
      return verdict.ok ? verdict.principal.subject : verdict.refusal.reason;
    };
    expect(await judge(await token(resource, { claims: { sub: 'user-7' } }))).toBe('user-7');
    expect(await judge(await token('https://other.example/mcp'))).toBe('foreign_audience');
    expect(await judge(await token(resource, { claims: { exp: 1 } }))).toBe('expired');
    expect(await judge(await token(resource, { claims: { jti: undefined } }))).toBe('malformed_claims');
    expect(await judge(await token(resource, { header: { typ: 'JWT' } }))).toBe('token_type');
  });

  test('follows the clock that it is given, and withdraws a key', async () => {
    let now = new Date('2026-11-20T12:00:00Z');
    const { issuer, fetch, token, rotateKey } = await createTestIssuer({ now: () => now });
    const guard = createGuard({ issuer, resource, fetch, now: () => now, scopes: { baseline: [] } });
    const old = await token(resource);
    expect(await guard.verifyToken(old)).toMatchObject({ ok: true });
    await rotateKey();
    now = new Date(now.getTime() + 30_000);
    expect(await guard.verifyToken(await token(resource))).toMatchObject({ ok: true });
    expect(await guard.verifyToken(old)).toMatchObject({ ok: false, refusal: { reason: 'unknown_key' } });
  });

  test('vouches for nothing outside: two have different keys, and neither has an address', async () => {
    const [one, two] = [await createTestIssuer(), await createTestIssuer()];
    const guard = createGuard({ issuer: one.issuer, resource, fetch: one.fetch, scopes: { baseline: [] } });
    expect(await guard.verifyToken(await two.token(resource))).toMatchObject({ refusal: { reason: 'unknown_key' } });
    expect(new URL(one.issuer).hostname).toMatch(/\.invalid$/);
    expect((await one.fetch('https://login.example.com/jwks')).status).toBe(404);
  });
});
