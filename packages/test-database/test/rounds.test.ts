import { describe, expect, test } from '@jest/globals';
import { rounds } from '../src/rounds.ts';

describe('rounds', () => {
  test('plays a tenth by default, and at least one', () => {
    expect(rounds(200, '')).toBe(20);
    expect(rounds(3, '')).toBe(1);
  });

  test('plays all of them, or exactly as many as asked for', () => {
    expect(rounds(200, 'full')).toBe(200);
    expect(rounds(200, '7')).toBe(7);
  });

  test.each(['all', '0', '-1', '1.5'])('refuses %p rather than play fewer unseen', (setting) => {
    expect(() => rounds(200, setting)).toThrow(RangeError);
  });
});
