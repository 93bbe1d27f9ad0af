import { Writable } from 'node:stream';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { createLogger } from '@portcullis/platform';
import { z } from 'zod';
import { defineTool } from '../src/tools/tool.ts';
import { startDesk, type TestDesk } from './support/desk.ts';
import { type Answer, ask, call, ERAS, post } from './support/messages.ts';

const CAUSE = 'password authentication failed for user "desk" at 10.0.0.7:5432';

const broken = defineTool({
  name: 'broken',
  title: 'Broken',
  description: 'Fails.',
  annotations: { readOnlyHint: true, destructiveHint: false, idempotentHint: true, openWorldHint: false },
  scopes: ['desk:read'],
  input: z.strictObject({ mode: z.enum(['throw', 'unfit']).default('throw') }),
  output: z.strictObject({ fine: z.literal(true) }),
  async run({ mode }) {
    if (mode === 'throw') throw new Error('the desk is on fire', { cause: new Error(CAUSE) });
    return { ok: true, value: JSON.parse('{"fine":"the recipe vault"}') };
  },
});

let desk: TestDesk;
let token: string;
let lines: string[];

beforeAll(async () => {
  const destination = new Writable({
    write(chunk, _encoding, done) {
      lines.push(String(chunk));
      done();
    },
  });
  const logger = createLogger({ name: 'test', level: 'debug', destination });
  lines = [];
  desk = await startDesk({ deps: { logger, tools: [broken] } });
  token = await desk.token('desk:read');
});
beforeEach(() => {
  lines = [];
});
afterAll(() => desk.close());

const INTERNALS = /on fire|10\.0\.0\.7|recipe vault|node_modules|\bat \S+ \(|\.ts\b|\/src\/|stack/;

describe.each(ERAS)('SP-40 in the era of %s', (era) => {
  test('every error carries an id of its own, and nothing of the inside', async () => {
    const headers = { 'mcp-protocol-version': era };
    const answers: Record<string, Answer> = {
      'no token': await post(desk, { body: '{}' }),
      'no JSON': await post(desk, { token, body: '{', headers }),
      batch: await post(desk, { token, body: '[]', headers }),
      'unknown method': await ask(desk, { token, era, method: 'tools/explode' }),
      'unknown tool': await call(desk, { token, era, name: 'nothing' }),
      'invalid arguments': await call(desk, { token, era, name: 'broken', args: { mode: 'x' } }),
      'a fault': await call(desk, { token, era, name: 'broken' }),
      'an answer that does not fit': await call(desk, { token, era, name: 'broken', args: { mode: 'unfit' } }),
    };
    const ids = new Set<string>();
    for (const [kind, { headers: answered, text }] of Object.entries(answers)) {
      const id = answered.get('x-correlation-id') ?? '';
      expect({ kind, id }).toEqual({ kind, id: expect.stringMatching(/^[0-9a-f-]{36}$/) });
      expect({ kind, text }).toEqual({ kind, text: expect.not.stringMatching(INTERNALS) });
      ids.add(id);
    }
    expect(ids.size).toBe(Object.keys(answers).length);
  });

  test('the answer says the id, and under it the log says the cause', async () => {
    const { headers, message } = await call(desk, { token, era, name: 'broken' });
    const id = headers.get('x-correlation-id') ?? 'none';
    expect(message.result).toMatchObject({ isError: true, content: [{ text: expect.stringContaining(id) }] });
    const logged = lines.filter((line) => line.includes(id)).join('');
    expect(logged).toContain('the desk is on fire');
    expect(logged).toContain('10.0.0.7');
    const invalid = await call(desk, { token, era, name: 'broken', args: { mode: 'x' } });
    expect(invalid.message.error?.data).toEqual({ correlationId: invalid.headers.get('x-correlation-id') });
  });
});
