import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { findFreePort, pollUntil, sendRaw } from '../../src/index.ts';
import { AUTHORIZATION_SERVER } from './support/replica.ts';

/** Starts the authorization server in a terminal of its own; `script` is the one that Debian ships. */
function startInTerminal(env: Record<string, string>): { process: ChildProcess; screen(): string } {
  const command = `exec '${process.execPath}' '${AUTHORIZATION_SERVER.pathname}'`;
  const { PATH, NODE_COMPILE_CACHE } = process.env;
  const terminal = spawn('script', ['-qefc', command, '/dev/null'], {
    env: { PATH, NODE_COMPILE_CACHE, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let screen = '';
  terminal.stdout.on('data', (chunk: Buffer) => {
    screen += chunk.toString();
  });
  return { process: terminal, screen: () => screen };
}

test.each([
  ['info', 0],
  ['debug', 20],
])('on a terminal with LOG_LEVEL=%s, 20 requests are %i lines beside the set-up link', async (level, lines) => {
  const dataDir = await mkdtemp(join(tmpdir(), 'portcullis-terminal-'));
  const port = await findFreePort();
  const terminal = startInTerminal({
    PORTCULLIS_ISSUER: `http://localhost:${port}`,
    PORTCULLIS_PORT: String(port),
    PORTCULLIS_DATA_DIR: dataDir,
    LOG_LEVEL: level,
  });
  const ended = once(terminal.process, 'exit');
  try {
    await pollUntil(() => terminal.screen().includes('Set up the first administrator: ') || undefined, {
      what: 'the set-up link',
    });
    for (let i = 0; i < 20; i += 1) await sendRaw(`http://localhost:${port}/.well-known/oauth-authorization-server`);
    const requests = () => terminal.screen().split(' request').length - 1;
    await pollUntil(() => requests() >= lines || undefined, { what: 'the log' });
    expect(requests()).toBe(lines);
  } finally {
    terminal.process.kill('SIGTERM');
    await ended;
    await rm(dataDir, { recursive: true, force: true });
  }
});
