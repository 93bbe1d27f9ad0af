import { describe, expect, test } from '@jest/globals';
import { DESK_ROLE_PERMISSIONS } from '../src/access/roles.ts';
import {
  type AccessDeclaration,
  assertDeclarations,
  type Caller,
  decideToolAccess,
} from '../src/access/tool-access.ts';

const decide = (declaration: AccessDeclaration, caller: Caller) =>
  decideToolAccess(declaration, caller, DESK_ROLE_PERMISSIONS);
const hideWrite = { scopes: ['desk:write'] };
const challengeWrite = { scopes: ['desk:write'], whenScopeMissing: 'challenge' } as const;

describe('SP-25 scope and role decide together whether a tool is seen and callable', () => {
  test.each<[string, AccessDeclaration, Caller, string]>([
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
    ['RS-21 a wider scope implies nothing', hideWrite, { scopes: ['desk:admin'], roles: ['lead'] }, 'hidden'],
  ])('%s', (_title, declaration, caller, expected) => {
    expect(decide(declaration, caller)).toBe(expected);
  });
});

describe('RS-22 a declaration that protects nothing is refused at start', () => {
  test.each([[[]], [['']], [['*']], [['desk:*']], [['all']], [['ALL']], [['full-access']], [['desk:read', '*']]])(
    '%j',
    (scopes) => {
      expect(() => assertDeclarations([{ name: 'tool', scopes }])).toThrow(/^Tool tool: /);
    },
  );

  test('all problems are told at once, and a name used twice is one', () => {
    const tools = [
      { name: 'one', scopes: [] },
      { name: 'two', scopes: ['*'] },
      { name: 'two', scopes: ['desk:read'] },
    ];
    expect(() => assertDeclarations(tools)).toThrow(/Tool one: .*\nTool two: .*\nTool two is declared twice/);
  });

  test('what names its scopes, or says that any token will do, passes', () => {
    expect(() =>
      assertDeclarations([
        { name: 'a', scopes: ['desk:read'] },
        { name: 'b', scopes: 'any-valid-token' },
      ]),
    ).not.toThrow();
  });
});
