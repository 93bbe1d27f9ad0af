import { inspect } from 'node:util';
import { describe, expect, test } from '@jest/globals';
import { createLogger } from '../src/logger.ts';
import { Secret } from '../src/secret.ts';

function logged(value: object): string {
  const lines: string[] = [];
  createLogger({ name: 'test', level: 'info', destination: { write: (line) => void lines.push(line) } }).info(value);
  return lines.join('');
}

describe('the log (SP-8)', () => {
  test.each([
    ['at the top', { authorization: 'Bearer hunter2', cookie: 'hunter2', password: 'hunter2', code: 'hunter2' }],
    [
      'one level down',
      { headers: { authorization: 'hunter2' }, params: { code: 'hunter2', refresh_token: 'hunter2' } },
    ],
    ['two levels down', { request: { headers: { cookie: 'hunter2', 'set-cookie': 'hunter2' } } }],
    ['in a Secret, under any name', { anything: new Secret('hunter2') }],
  ])('masks what is secret %s', (_where, value) => {
    expect(logged(value)).not.toContain('hunter2');
  });

  test('shows the code of a system error, which whoever runs the server must read', () => {
    expect(logged({ err: Object.assign(new Error('failed'), { code: 'ECONNREFUSED' }) })).toContain('ECONNREFUSED');
  });

  test('a Secret shows itself in no form but reveal', () => {
    const secret = new Secret('hunter2');
    const shown = [
      String(secret),
      `${secret}`,
      JSON.stringify({ secret }),
      inspect({ secret }),
      inspect(secret, { showHidden: true }),
    ];
    expect(shown.join()).not.toContain('hunter2');
    expect(secret.reveal()).toBe('hunter2');
  });
});
