import { expect, test } from '@jest/globals';
import { openAnswer, sealAnswer } from '../src/sealed-answer.ts';

const ANSWER = '{"access_token":"Zürich ☂"}';
const token = { value: 'the value of a refresh token', id: 'its hash' };

test('an answer is read again with the token that it belongs to', () => {
  expect(openAnswer(sealAnswer(ANSWER, token), token)).toBe(ANSWER);
});

test('the same answer is never sealed alike, and tells nothing of itself', () => {
  const [one, other] = [sealAnswer(ANSWER, token), sealAnswer(ANSWER, token)];
  expect(one).not.toBe(other);
  expect(Buffer.from(one.slice(3), 'base64url').toString('latin1')).not.toContain('access_token');
});

test.each([
  ['another token', { ...token, value: 'another value' }],
  ['another row', { ...token, id: 'another hash' }],
])('it is not read with %s', (_what, other) => {
  expect(() => openAnswer(sealAnswer(ANSWER, token), other)).toThrow(/unable to authenticate/);
});

test('it is not read when any byte of it was changed, or when some are missing', () => {
  const sealed = sealAnswer(ANSWER, token);
  const bytes = Buffer.from(sealed.slice(3), 'base64url');
  for (let at = 0; at < bytes.length; at++) {
    const changed = Buffer.from(bytes);
    changed[at] = (changed[at] ?? 0) ^ 1;
    expect(() => openAnswer(`v1.${changed.toString('base64url')}`, token)).toThrow(/unable to authenticate/);
  }
  expect(() => openAnswer(`v1.${bytes.subarray(0, 43).toString('base64url')}`, token)).toThrow('is too short');
  expect(() => openAnswer(sealed.replace('v1', 'v2'), token)).toThrow('has an unknown form');
});
