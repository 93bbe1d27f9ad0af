import { expect, test } from '@jest/globals';
import { createMcpServer } from '../../src/server.ts';
import { startDesk } from '../support/desk.ts';
import { silentLogger } from '../support/silent-logger.ts';

test('a second server on the same data folder is refused, and the first goes on', async () => {
  const desk = await startDesk();
  try {
    const second = createMcpServer({ ...desk.config, port: 0 }, { logger: silentLogger, now: () => new Date() });
    await expect(second).rejects.toThrow(/in use by another process.*PORTCULLIS_DATA_DIR/);
    expect(await readiness(desk.url)).toBe('{"status":"ready"}');
  } finally {
    await desk.close();
  }
});

/** What `/readyz` says once it is ready, or at the deadline: on a busy machine one check alone may be too slow. */
async function readiness(url: string): Promise<string> {
  const deadline = Date.now() + 20_000;
  for (;;) {
    const response = await fetch(new URL('/readyz', url));
    const body = await response.text();
    if (response.ok || Date.now() > deadline) return body;
  }
}
