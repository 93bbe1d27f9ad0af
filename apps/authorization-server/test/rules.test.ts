import { describe, expect, test } from '@jest/globals';
import { browserName } from '../src/http/browser-name.ts';
import { networkOf } from '../src/http/failure-limit.ts';
import { createFormTokens } from '../src/interactions/form-token.ts';
import { createPasswordVerifier, hashPassword, passwordProblem } from '../src/passwords.ts';
import { coversRequest, mayRememberConsent } from '../src/provider/prompts.ts';
import { BUILT_IN_ROLES, permissionsAt, permittedScopes } from '../src/roles.ts';

describe('roles', () => {
  const desk = ['desk:read', 'desk:write', 'desk:admin'];
  const permitted = (roles: string[], scopes = desk) => permittedScopes(scopes, { roles, permissions: BUILT_IN_ROLES });

  test('agent, lead and admin permit what product.md says', () => {
    expect(permitted(['agent'])).toEqual(['desk:read', 'desk:write']);
    expect(permitted(['lead'])).toEqual(desk);
    expect(permitted(['admin'])).toEqual([]);
    expect(permitted(['admin'], ['admin:clients'])).toEqual(['admin:clients']);
    expect(permitted(['lead'], ['admin:clients'])).toEqual([]);
  });

  test('SP-7: no role and an unknown role permit nothing', () => {
    expect(permitted([])).toEqual([]);
    expect(permitted(['owner', 'constructor', '__proto__'])).toEqual([]);
  });

  test('SP-7: what a resource says about roles holds there, beside what they permit everywhere', () => {
    const notes = { roles: { agent: ['notes:read'], constructor: ['notes:write'] } };
    const at = (resource: { roles?: Record<string, string[]> }, roles: string[]) =>
      permittedScopes(['notes:read', 'notes:write', 'desk:read'], {
        roles,
        permissions: permissionsAt(resource, BUILT_IN_ROLES),
      });
    expect(at(notes, ['agent'])).toEqual(['notes:read', 'desk:read']);
    expect(at({}, ['agent'])).toEqual(['desk:read']);
    expect(at(notes, ['admin', 'toString'])).toEqual([]);
    expect(BUILT_IN_ROLES.agent).not.toContain('notes:read');
  });
});

describe('remembered consent (SP-16)', () => {
  test.each([
    ['https://app.example/cb', true],
    ['http://localhost:1/cb', false],
    ['http://127.0.0.1/cb', false],
    ['http://[::1]:2/cb', false],
    ['https://localhost:8443/cb', false],
    ['https://127.0.0.1/cb', false],
    ['https://127.8.8.8/cb', false],
    ['https://[::1]:8443/cb', false],
    ['https://[::ffff:127.0.0.1]/cb', false],
    ['https://app.localhost/cb', false],
    ['https://localhost./cb', false],
    ['https://0.0.0.0/cb', false],
    ['https://localhost.example/cb', true],
    ['cursor://anysphere.cursor-mcp/oauth/callback', false],
  ])('PX-14: %s may be remembered: %s', (uri, may) => {
    expect(mayRememberConsent(uri)).toBe(may);
  });

  test('covers no more than what was allowed', () => {
    expect(coversRequest(['a', 'b'], ['a'])).toBe(true);
    expect(coversRequest(['a'], ['a', 'b'])).toBe(false);
    expect(coversRequest(['a'], [])).toBe(false);
  });
});

describe('form tokens (PX-7)', () => {
  const tokens = createFormTokens(Buffer.alloc(32, 1));

  test('hold for their own subject only', () => {
    const token = tokens.issue('interaction', 'uid', 'consent');
    expect(tokens.verify(token, 'interaction', 'uid', 'consent')).toBe(true);
    expect(tokens.verify(token, 'interaction', 'uid', 'login')).toBe(false);
    expect(tokens.verify(token, 'interaction', 'uidconsent', '')).toBe(false);
    expect(tokens.verify(undefined, 'interaction', 'uid', 'consent')).toBe(false);
    expect(createFormTokens(Buffer.alloc(32, 2)).verify(token, 'interaction', 'uid', 'consent')).toBe(false);
  });
});

describe('networks', () => {
  test.each([
    ['127.0.0.1', '127.0.0.1'],
    ['::ffff:10.0.0.1', '10.0.0.1'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2'],
    ['2001:db8:1:2::9', '2001:db8:1:2'],
    ['2001:db8::1', '2001:db8:0:0'],
    ['::1', '0:0:0:0'],
  ])('%s belongs to %s', (address, network) => {
    expect(networkOf(address)).toBe(network);
  });
});

describe('passwords (SP-39)', () => {
  test('are checked against their own hash only, and unknown users never match', async () => {
    const verify = await createPasswordVerifier();
    const hash = await hashPassword('correct horse battery');
    expect(hash).toMatch(/^\$argon2id\$v=19\$m=19456,(t=2,p=1|p=1,t=2)\$/);
    expect(await verify(hash, 'correct horse battery')).toBe(true);
    expect(await verify(hash, 'correct horse batterY')).toBe(false);
    expect(await verify(undefined, 'correct horse battery')).toBe(false);
    expect(await verify(hash, 'x'.repeat(2000))).toBe(false);
  });

  test('the same password typed on another keyboard matches', async () => {
    const verify = await createPasswordVerifier();
    expect(await verify(await hashPassword('caf\u00e9 caf\u00e9 caf\u00e9'), 'cafe\u0301 cafe\u0301 cafe\u0301')).toBe(
      true,
    );
  });

  test('short and endless ones are refused with advice', () => {
    expect(passwordProblem('short')).toContain('10 characters');
    expect(passwordProblem('x'.repeat(1025))).toBe('That password is too long.');
    expect(passwordProblem('long enough')).toBeUndefined();
  });
});

test.each([
  ['Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0', 'Firefox on Linux'],
  [
    'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36 Edg/140.0.0.0',
    'Edge on Windows',
  ],
  [
    'Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Mobile Safari/537.36',
    'Chrome on Android',
  ],
  [
    'Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Safari/605.1.15',
    'Safari on Mac',
  ],
  [
    'Mozilla/5.0 (iPad; CPU OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) CriOS/140.0 Mobile/15E148 Safari/604.1',
    'Chrome on iPad',
  ],
  ['curl/8.5.0', 'Another program'],
  ['Call your bank now (Windows)', 'A browser on Windows'],
  ['', 'Another program'],
])('a User-Agent of %j is called %s: nothing of what it says is shown', (userAgent, name) => {
  expect(browserName(userAgent)).toBe(name);
});
