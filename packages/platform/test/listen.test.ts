import { Agent, createServer, get, type RequestListener, type ServerResponse } from 'node:http';
import { afterEach, describe, expect, test } from '@jest/globals';
import { type Listening, listen } from '../src/listen.ts';

describe('listening', () => {
  const open: Listening[] = [];
  afterEach(async () => {
    for (const listening of open.splice(0)) await listening.close(0);
  });

  const start = async (port: number, handle: RequestListener = () => {}) => {
    const listening = await listen(createServer({ keepAliveTimeout: 120_000 }, handle), {
      host: '127.0.0.1',
      port,
      variable: 'PORT_VARIABLE',
    });
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

  test('closing is not held up by a connection whose last request was under way', async () => {
    const asked = Promise.withResolvers<ServerResponse>();
    const { port, close } = await start(0, (_request, response) => asked.resolve(response));
    const agent = new Agent({ keepAlive: true });
    const answered = new Promise<number | undefined>((resolve, reject) => {
      get({ port, host: '127.0.0.1', agent }, (answer) => {
        answer.resume().on('end', () => resolve(answer.statusCode));
      }).on('error', reject);
    });
    const response = await asked.promise;
    // Nobody else ends it: the client keeps the connection, and the server would do so for longer than a test may take.
    const closed = close(120_000);
    response.end('done');
    expect(await answered).toBe(200);
    await closed;
    agent.destroy();
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
