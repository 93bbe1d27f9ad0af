import { describe, expect, test } from '@jest/globals';
import { type AccessDeclaration, createGuard, type GuardOptions, type Principal } from '../src/index.ts';
import { RESOURCE } from './support/issuer.ts';

const ROLES: Record<string, readonly string[]> = {
  agent: ['desk:read', 'desk:write'],
  lead: ['desk:read', 'desk:write', 'desk:admin'],
};

type Who = { scopes: readonly string[]; roles: readonly string[] | undefined };

function decide(declaration: AccessDeclaration, { scopes, roles }: Who, options: Partial<GuardOptions> = {}): string {
  const guard = createGuard({
    issuer: 'https://login.example.com',
    resource: RESOURCE,
    declarations: { tools: { tool: declaration } },
    permittedScopes: (principal) =>
      principal.roles?.flatMap((role) => (Object.hasOwn(ROLES, role) ? (ROLES[role] ?? []) : [])),
    ...options,
  });
  return guard.access(principal(scopes, roles), 'tools', 'tool');
}

function principal(scopes: readonly string[], roles: readonly string[] | undefined): Principal {
  const now = new Date();
  return {
    subject: 'user-1',
    credential: 'access_token',
    clientId: 'client-1',
    scopes,
    ...(roles && { roles }),
    tokenId: 'token-1',
    issuedAt: now,
    expiresAt: now,
    issuer: 'https://login.example.com',
    audience: RESOURCE,
  };
}

const hideWrite = { scopes: ['desk:write'] };
const challengeWrite = { scopes: ['desk:write'], whenScopeMissing: 'challenge' } as const;

describe('SP-25 scope and role decide together whether a tool is seen and callable', () => {
  test.each<[string, AccessDeclaration, Who, string]>([
    ['scope and role', hideWrite, { scopes: ['desk:write'], roles: ['agent'] }, 'listed-and-callable'],
    ['scope, no role allows it', hideWrite, { scopes: ['desk:write'], roles: ['admin'] }, 'hidden'],
    ['scope, all roles taken away', hideWrite, { scopes: ['desk:write'], roles: [] }, 'hidden'],
    ['scope, unknown role', hideWrite, { scopes: ['desk:write'], roles: ['constructor', '__proto__'] }, 'hidden'],
    ['role without scope', hideWrite, { scopes: ['desk:read'], roles: ['agent'] }, 'hidden'],
    ['a machine with the scope', hideWrite, { scopes: ['desk:write'], roles: undefined }, 'listed-and-callable'],
    ['a machine without the scope', hideWrite, { scopes: [], roles: undefined }, 'hidden'],
    [
      'challenge: role without scope',
      challengeWrite,
      { scopes: ['desk:read'], roles: ['agent'] },
      'listed-and-challenged',
    ],
    ['challenge: neither', challengeWrite, { scopes: ['desk:read'], roles: ['admin'] }, 'hidden'],
    ['challenge: scope, role does not allow', challengeWrite, { scopes: ['desk:write'], roles: ['admin'] }, 'hidden'],
    ['challenge: a machine', challengeWrite, { scopes: ['desk:read'], roles: undefined }, 'hidden'],
    ['any valid token', { scopes: 'any-valid-token' }, { scopes: [], roles: [] }, 'listed-and-callable'],
    [
      'one of two scopes',
      { scopes: ['desk:read', 'desk:write'] },
      { scopes: ['desk:read'], roles: ['lead'] },
      'hidden',
    ],
    ['a scope that only begins alike', hideWrite, { scopes: ['desk:writer', 'desk'], roles: ['agent'] }, 'hidden'],
    ['RS-21 without a hierarchy a wider scope', hideWrite, { scopes: ['desk:admin'], roles: ['lead'] }, 'hidden'],
  ])('%s', (_title, declaration, who, expected) => {
    expect(decide(declaration, who)).toBe(expected);
  });

  test('where nothing is said of roles, everybody with a token may step up', () => {
    const anybody = { scopes: [], roles: undefined };
    expect(decide(challengeWrite, anybody, { permittedScopes: () => ['desk:write'] })).toBe('listed-and-challenged');
    const { permittedScopes: _, ...options } = { permittedScopes: undefined };
    const guard = createGuard({
      issuer: 'https://login.example.com',
      resource: RESOURCE,
      declarations: { tools: { tool: challengeWrite } },
      ...options,
    });
    expect(guard.access(principal([], undefined), 'tools', 'tool')).toBe('listed-and-challenged');
  });
});

describe('RS-21 a broader scope implies those that the hierarchy names', () => {
  const scopes = { baseline: [], implied: { 'desk:admin': ['desk:write'], 'desk:write': ['desk:read'] } };

  test.each([
    [['desk:admin'], 'listed-and-callable'],
    [['desk:write'], 'listed-and-callable'],
    [['desk:other'], 'hidden'],
  ])('%j reads: %s', (held, expected) => {
    expect(decide({ scopes: ['desk:read'] }, { scopes: held, roles: undefined }, { scopes })).toBe(expected);
  });

  test('a narrower one implies no broader, and a circle ends', () => {
    const reader = { scopes: ['desk:read'], roles: undefined };
    expect(decide({ scopes: ['desk:admin'] }, reader, { scopes })).toBe('hidden');
    const circle = { baseline: [], implied: { a: ['b'], b: ['a'] } };
    expect(decide({ scopes: ['a'] }, { scopes: ['b'], roles: undefined }, { scopes: circle })).toBe(
      'listed-and-callable',
    );
  });

  test('a single scope can be asked about, with or without declarations', () => {
    const options = { issuer: 'https://login.example.com', resource: RESOURCE, scopes };
    const guard = createGuard({ ...options, permittedScopes: () => ['desk:read', 'desk:write'] });
    const holder = principal(['desk:admin'], []);
    const asked = ['desk:admin', 'desk:write', 'desk:read', ''].map((scope) => guard.permits(holder, scope));
    expect(asked).toEqual([false, true, true, false]);
  });

  test('what the roles do not permit is not implied either', () => {
    const agent = { scopes: ['desk:admin'], roles: ['nobody'] };
    expect(decide({ scopes: ['desk:read'] }, agent, { scopes })).toBe('hidden');
  });
});

describe('RS-22 a declaration that protects nothing is refused at once', () => {
  test.each([[[]], [['']], [['*']], [['desk:*']], [['all']], [['ALL']], [['full-access']], [['desk:read', '*']]])(
    '%j',
    (scopes) => {
      expect(() => decide({ scopes }, { scopes: [], roles: [] })).toThrow(/tool tool/);
    },
  );

  test('RS-7 offline_access is no scope of a tool', () => {
    expect(() => decide({ scopes: ['offline_access'] }, { scopes: [], roles: [] })).toThrow(/offline_access/);
  });

  test('without declarations there is nothing to judge by, and the baseline has to be named', () => {
    const options = { issuer: 'https://login.example.com', resource: RESOURCE };
    expect(() => createGuard(options)).toThrow(/scopes\.baseline/);
    const guard = createGuard({ ...options, scopes: { baseline: [] } });
    expect(() => guard.access(principal([], []), 'tools', 'tool')).toThrow(TypeError);
  });
});
