import { expect, test } from '@jest/globals';
import { toolDeclarations } from '../src/access/tool-declarations.ts';

test('RS-22 all declarations that protect nothing are told at once, and a name used twice is one', () => {
  const tools = [
    { name: 'one', scopes: [] },
    { name: 'two', scopes: ['*'] },
    { name: 'two', scopes: ['desk:read'] },
    { name: 'three', scopes: ['all'] },
  ];
  expect(() => toolDeclarations(tools)).toThrow(
    /^Tool one declares no scopes.*\nTool three: .*"all".*\nTool two is declared twice; rename one of them\.$/,
  );
});

test('what names its scopes, or says that any token will do, passes', () => {
  const tools = [
    { name: 'a', scopes: ['desk:read'] },
    { name: 'b', scopes: 'any-valid-token' as const },
  ];
  expect(Object.keys(toolDeclarations(tools))).toEqual(['a', 'b']);
});
