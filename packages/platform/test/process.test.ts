import { once } from 'node:events';
import { afterEach, describe, expect, test } from '@jest/globals';
import { type Child, runChild } from './support/child.ts';

const HEALTHY = `
  const start = async () => {
    const timer = setInterval(() => {}, 1000);
    say('started');
    return { close: async () => { clearInterval(timer); say('closed'); } };
  };
  runProcess({ start, logger: () => undefined });
`;

describe('the life of a process', () => {
  const children: Child[] = [];
  afterEach(() => {
    for (const child of children.splice(0)) child.process.kill('SIGKILL');
  });
  function run(body: string, options?: { channel: boolean }): Child {
    const child = runChild(body, options);
    children.push(child);
    return child;
  }

  test('a start that cannot succeed prints a line for each problem and exits 1', async () => {
    const child = run(`
      const start = async () => { throw new StartupError(['Port 4000 is taken.', 'DATABASE_URL is no URL.']); };
      runProcess({ start, logger: () => undefined });
    `);
    expect(await child.ended).toBe(1);
    expect(child.output.stderr).toBe('portcullis: Port 4000 is taken.\nportcullis: DATABASE_URL is no URL.\n');
  });

  test.each(['SIGTERM', 'SIGINT', 'SIGHUP'] as const)(
    '%s drains and exits 0, and so does a second one',
    async (signal) => {
      const child = run(HEALTHY);
      await child.says('started');
      child.process.kill(signal);
      child.process.kill(signal);
      expect(await child.ended).toBe(0);
      expect(child.output.stdout.match(/closed/g)).toHaveLength(1);
    },
  );

  test.each([
    ['SIGTERM', 'started\nleaving\nclosed\n'],
    ['SIGINT', 'started\nclosed\n'],
  ] as const)(
    '%s: what is in front is told before anything closes, where a platform asks for the end',
    async (signal, said) => {
      const child = run(`
      const start = async () => {
        const timer = setInterval(() => {}, 1000);
        say('started');
        return { leave: async () => say('leaving'), close: async () => { clearInterval(timer); say('closed'); } };
      };
      runProcess({ start, logger: () => undefined });
    `);
      await child.says('started');
      child.process.kill(signal);
      expect(await child.ended).toBe(0);
      expect(child.output.stdout).toBe(said);
    },
  );

  test.each([
    ['a rejection that nobody handles', `Promise.reject(new Error('lost'))`],
    ['an exception that nobody catches', `(() => { throw new Error('lost') })()`],
  ])('%s drains and exits 1: nothing half-lives', async (_, fault) => {
    const child = run(`${HEALTHY} setTimeout(() => ${fault}, 100);`);
    expect(await child.ended).toBe(1);
    expect(child.output).toEqual({ stdout: 'started\nclosed\n', stderr: 'portcullis: unhandled fault: lost\n' });
  });

  test('closing that hangs does not keep the process', async () => {
    const child = run(`
      const start = async () => { setInterval(() => {}, 1000); say('started'); return { close: () => new Promise(() => {}) }; };
      runProcess({ start, logger: () => undefined, drainMs: 50 });
    `);
    await child.says('started');
    child.process.kill('SIGTERM');
    expect(await child.ended).toBe(0);
  });

  test('tells a parent that it listens, and ends with the parent', async () => {
    const child = run(HEALTHY, { channel: true });
    expect(await once(child.process, 'message')).toContain('listening');
    // Node.js reports no end of output of a child whose channel we closed; its exit, it does.
    const exited = once(child.process, 'exit');
    child.process.disconnect();
    await child.says('closed');
    expect(await exited).toEqual([0, null]);
  });
});
