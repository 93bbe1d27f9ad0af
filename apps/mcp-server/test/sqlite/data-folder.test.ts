import { expect, test } from '@jest/globals';
import { createMcpServer } from '../../src/server.ts';
import { startDesk } from '../support/desk.ts';
import { silentLogger } from '../support/silent-logger.ts';

test('a second server on the same data folder is refused, and the first goes on', async () => {
  const desk = await startDesk();
  try {
    const second = createMcpServer({ ...desk.config, port: 0 }, { logger: silentLogger, now: () => new Date() });
    await expect(second).rejects.toThrow(/in use by another process.*PORTCULLIS_DATA_DIR/);
    expect((await fetch(new URL('/readyz', desk.url))).status).toBe(200);
  } finally {
    await desk.close();
  }
});
