import { describe, expect, test } from '@jest/globals';
import { isAsStored } from '../src/provider/changed-sessions.ts';

const stored = { jti: 'id', uid: 'uid', accountId: 'user', loginTs: 100, iat: 100, exp: 1000, kind: 'Session' };

describe('a session that is saved is as it is stored', () => {
  test.each([
    ['where nothing is new', {}],
    ['where it ends less than a minute later', { exp: 1059 }],
  ])('%s', (_when, change) => {
    expect(isAsStored({ ...stored, ...change }, stored)).toBe(true);
  });

  test.each([
    ['where it ends a minute later', { exp: 1060 }],
    ['where it ends sooner', { exp: 999 }],
    ['under another id', { jti: 'other' }],
    ['of somebody else', { accountId: 'other' }],
    ['of a new sign-in', { loginTs: 101 }],
    ['with a state of its own', { state: { secret: 'secret' } }],
  ])('but not %s', (_when, change) => {
    expect(isAsStored({ ...stored, ...change }, stored)).toBe(false);
  });
});
