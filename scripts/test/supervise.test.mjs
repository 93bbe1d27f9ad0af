import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';

const supervise = new URL('../start/supervise.mjs', import.meta.url).href;

/** A server that answers on a free port, tells its parent so, and ends as a Portcullis process does. */
const HEALTHY = `
  import { createServer } from 'node:http';
  const server = createServer((request, response) => response.end()).listen(Number(process.env.PORT), '127.0.0.1', () => process.send('listening'));
  console.log('pid ' + process.pid);
  for (const event of ['SIGTERM', 'SIGINT', 'disconnect']) process.on(event, () => { console.log('drained'); process.exit(0); });
`;
/** As npm does, it runs a script and says so in the script's environment. */
const NPM = `
  const env = { ...process.env, npm_lifecycle_event: 'start' };
  require('node:child_process').spawn(process.execPath, [process.argv[1]], { stdio: 'inherit', env });
`;
const REFUSED = `console.error('portcullis: Port 4000 is taken.'); process.exit(1);`;

describe('the start of both servers', () => {
  let folder;
  const started = [];
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'portcullis-start-'));
  });
  afterEach(() => {
    for (const child of started.splice(0)) {
      child.kill('SIGKILL');
      child.stdout.destroy(); // A server left behind by a failing test must not keep us waiting for its output.
      child.stderr.destroy();
    }
    rmSync(folder, { recursive: true });
  });

  async function start(sources, { underNpm = false } = {}) {
    const ports = await Promise.all(sources.map(freePort));
    const servers = sources.map((source, i) => {
      const program = `server-${i}.mjs`;
      writeFileSync(join(folder, program), source);
      const url = `http://127.0.0.1:${ports[i]}`;
      return { name: `server ${i}`, program, env: { ...process.env, PORT: ports[i] }, url, readyUrl: `${url}/readyz` };
    });
    const options = JSON.stringify({ runtime: process.execPath, root: folder, servers });
    const source = `import { superviseServers } from '${supervise}'; process.exitCode = await superviseServers(${options});`;
    const program = join(folder, 'start.mjs');
    writeFileSync(program, source);
    const child = spawn(process.execPath, underNpm ? ['--eval', NPM, program] : [program], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    started.push(child);
    return observe(child, servers);
  }

  test('tells the URLs when both are ready, and a signal drains both and exits 0', async () => {
    const run = await start([HEALTHY, HEALTHY]);
    await run.says('Portcullis is ready.');
    for (const { url } of run.servers) await run.says(url);
    run.child.kill('SIGTERM');
    expect(await run.ended).toBe(0);
    expect(run.output().match(/drained/g)).toHaveLength(2);
  });

  test('ends the other one and exits 1 when one cannot start, with its line and no stack', async () => {
    const run = await start([HEALTHY, REFUSED]);
    expect(await run.ended).toBe(1);
    expect(run.errors().trim()).toBe('portcullis: Port 4000 is taken.');
    expect(run.output()).not.toContain('ready');
  });

  test('lets each server say what is wrong with it, however long after the other', async () => {
    const slow = `setTimeout(() => { console.error('portcullis: PORTCULLIS_PORT is no port.'); process.exit(1); }, 500);`;
    const run = await start([slow, REFUSED]);
    expect(await run.ended).toBe(1);
    expect(run.errors().trim().split('\n')).toEqual([
      'portcullis: Port 4000 is taken.',
      'portcullis: PORTCULLIS_PORT is no port.',
    ]);
  });

  test('says once what is wrong with both', async () => {
    const both = `console.error('portcullis: LOG_LEVEL is none.\\nportcullis: PORTCULLIS_PORT is no port.'); process.exit(1);`;
    const other = `setTimeout(() => { console.error('portcullis: LOG_LEVEL is none.\\na line of its own'); process.exit(1); }, 300);`;
    const run = await start([both, other]);
    expect(await run.ended).toBe(1);
    expect(run.errors().trim().split('\n')).toEqual([
      'portcullis: LOG_LEVEL is none.',
      'portcullis: PORTCULLIS_PORT is no port.',
      'a line of its own',
    ]);
  });

  test('takes no stranger on the port for its own server', async () => {
    const run = await start([HEALTHY, `setTimeout(() => process.exit(1), 1000);`]);
    const stranger = createServer((_, response) => response.end()).listen(
      new URL(run.servers[1].url).port,
      '127.0.0.1',
    );
    expect(await run.ended).toBe(1);
    stranger.close();
    expect(run.output()).not.toContain('ready');
  });

  test('ends the other one and exits 1 when one dies later', async () => {
    const run = await start([HEALTHY, HEALTHY]);
    await run.says('Portcullis is ready.');
    process.kill(Number(/pid (\d+)/.exec(run.output())[1]), 'SIGKILL');
    expect(await run.ended).toBe(1);
    expect(run.output().match(/drained/g)).toHaveLength(1);
  });

  test('ends when npm, which runs it, is killed', async () => {
    const run = await start([HEALTHY, HEALTHY], { underNpm: true });
    await run.says('Portcullis is ready.');
    run.child.kill('SIGKILL');
    await run.closed;
    expect(run.output().match(/drained/g)).toHaveLength(2);
  });

  test('leaves nobody behind when it is killed itself', async () => {
    const run = await start([HEALTHY, HEALTHY]);
    await run.says('Portcullis is ready.');
    run.child.kill('SIGKILL');
    await run.closed;
    expect(run.output().match(/drained/g)).toHaveLength(2);
  });
});

function observe(child, servers) {
  const text = { stdout: '', stderr: '' };
  const waiting = new Set();
  for (const name of ['stdout', 'stderr']) {
    child[name].on('data', (chunk) => {
      text[name] += chunk;
      for (const check of waiting) check();
    });
  }
  return {
    child,
    servers,
    output: () => text.stdout,
    errors: () => text.stderr,
    ended: new Promise((resolve) => child.once('close', resolve)),
    closed: new Promise((resolve) => child.once('close', resolve)),
    says: (wanted) =>
      new Promise((resolve) => {
        const check = () => text.stdout.includes(wanted) && waiting.delete(check) !== undefined && resolve();
        waiting.add(check);
        check();
      }),
  };
}

function freePort() {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}
