import { createServer } from 'node:http';
import { afterEach, describe, expect, test } from '@jest/globals';
import { type Listening, listen } from '../src/listen.ts';

describe('listening', () => {
  const open: Listening[] = [];
  afterEach(async () => {
    for (const listening of open.splice(0)) await listening.close(0);
  });

  const start = async (port: number, handle = () => {}) => {
    const listening = await listen(createServer(handle), { host: '127.0.0.1', port, variable: 'PORT_VARIABLE' });
    open.push(listening);
    return listening;
  };

  test('a taken port is one clear line that names the variable to change', async () => {
    const { port } = await start(0);
    await expect(start(port)).rejects.toMatchObject({
      name: 'StartupError',
      message: `Port ${port} on 127.0.0.1 is taken. Stop what listens there, or set PORT_VARIABLE to another port.`,
    });
  });

  test('an address of another machine is said to be', async () => {
    const elsewhere = listen(createServer(), { host: '192.0.2.1', port: 0, variable: 'PORT_VARIABLE' });
    await expect(elsewhere).rejects.toMatchObject({
      name: 'StartupError',
      message: expect.stringContaining('192.0.2.1'),
    });
  });

  test('closing ends requests that do not end by themselves', async () => {
    const { port, close } = await start(0, () => {});
    const request = fetch(`http://127.0.0.1:${port}/`).then(
      () => 'answered',
      () => 'ended',
    );
    await new Promise((resolve) => setImmediate(resolve));
    await close(50);
    expect(await request).toBe('ended');
  });
});
