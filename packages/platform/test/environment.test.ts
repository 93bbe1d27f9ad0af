import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from '@jest/globals';
import { type EnvironmentReader, environmentReader, isLoopbackHost } from '../src/environment.ts';
import { StartupError } from '../src/startup-error.ts';

const folder = mkdtempSync(join(tmpdir(), 'portcullis-environment-'));
afterAll(() => rmSync(folder, { recursive: true }));

function problemsOf(env: Record<string, string>, read: (reader: EnvironmentReader) => void): readonly string[] {
  const reader = environmentReader(env);
  read(reader);
  try {
    reader.finish();
    return [];
  } catch (error) {
    if (error instanceof StartupError) return error.problems;
    throw error;
  }
}

describe('reading the environment', () => {
  test.each([['-1'], ['1.5'], ['0x10'], ['1e3'], [' 7'], ['65536'], ['99999999999999999999'], ['eighty']])(
    'a port is not %j',
    (text) => {
      expect(problemsOf({ PORT: text }, (reader) => reader.port('PORT', 80))).toEqual([
        'PORT must be a whole number from 0 to 65535.',
      ]);
    },
  );

  test('an empty variable counts as unset', () => {
    expect(environmentReader({ PORT: '' }).port('PORT', 80)).toBe(80);
    expect(environmentReader({ NAME: '' }).secret('NAME')).toBeUndefined();
  });

  test.each([
    ['http://example.com', /https/],
    ['http://localhost.example.com', /https/],
    ['http://10.0.0.1', /https/],
    ['ftp://localhost', /http or https/],
    ['https://user@example.com', /user name/],
    ['https://example.com?x=1', /query/],
    ['https://example.com#x', /fragment/],
    ['example.com', /absolute URL/],
  ])('SP-6: %s is refused as a URL of ours', (text, reason) => {
    expect(problemsOf({ URL: text }, (reader) => reader.url('URL', 'http://localhost')).join()).toMatch(reason);
  });

  test('SP-8: no problem shows a value', () => {
    const env = {
      A: 'hunter2',
      B: 'http://hunter2.example',
      C: 'hunter2',
      D: 'hunter2',
      D_FILE: '/nonexistent/hunter2',
    };
    const found = problemsOf(env, (reader) => {
      reader.port('A', 1);
      reader.url('B', 'http://localhost');
      reader.oneOf('C', ['x', 'y'], 'x');
      reader.secret('D');
    });
    expect(found).toHaveLength(4);
    expect(found.join()).not.toContain('hunter2');
  });

  test('a secret may come from a file; a missing or empty file is a problem', () => {
    const path = join(folder, 'secret');
    writeFileSync(path, 'value\n');
    expect(environmentReader({ NAME_FILE: path }).secret('NAME')?.reveal()).toBe('value');
    writeFileSync(path, '\n');
    expect(problemsOf({ NAME_FILE: path }, (reader) => reader.secret('NAME'))).toHaveLength(1);
    expect(problemsOf({ NAME_FILE: join(folder, 'none') }, (reader) => reader.secret('NAME'))).toHaveLength(1);
  });

  test.each([
    ['localhost', true],
    ['127.0.0.1', true],
    ['127.8.9.1', true],
    ['[::1]', true],
    ['127.0.0.1.example.com', false],
    ['localhost.', false],
    ['0.0.0.0', false],
    ['10.0.0.1', false],
  ])('%s is loopback: %s', (host, loopback) => {
    expect(isLoopbackHost(host)).toBe(loopback);
  });
});
