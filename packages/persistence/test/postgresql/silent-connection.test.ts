import { connect, createServer, type Socket } from 'node:net';
import { expect, test } from '@jest/globals';
import { createTestDatabase, findFreePort } from '@portcullis/test-database';
import { type Database, isUnavailable, openDatabase } from '../../src/database.ts';
import { CLIENT_BY_ID } from '../../src/statements/lookups.ts';
import { inTransaction } from '../../src/transaction.ts';

/** A way to a server; those who use it by then can be made to hear nothing any more, as when a machine is gone without a word. */
async function startRelay(target: URL) {
  const port = await findFreePort();
  const sockets = new Set<Socket>();
  const server = createServer((near) => {
    const far = connect(Number(target.port), target.hostname);
    for (const socket of [near, far]) {
      sockets.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => sockets.delete(socket));
    }
    near.pipe(far).pipe(near);
  });
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  return {
    port,
    goSilent() {
      for (const socket of sockets) socket.unpipe().resume();
    },
    close() {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}

test.each([
  ['Prisma’s client', ({ ready }: Database) => ready()],
  ['statements alone', ({ statements }: Database) => statements.run(CLIENT_BY_ID, 'nobody')],
  ['a transaction', (db: Database) => inTransaction(db, ({ prisma }) => prisma.user.count())],
])('connections that say nothing any more are given up, and %s goes on over others', async (_of, ask) => {
  const { url, drop } = await createTestDatabase();
  const relay = await startRelay(new URL(url));
  const through = Object.assign(new URL(url), { port: String(relay.port) });
  const db = await openDatabase({ url: through.href, answerTimeoutMs: 300 });
  await Promise.all([ask(db), ask(db), ask(db)]);
  relay.goSilent();

  const deadline = Date.now() + 15_000;
  let failure: unknown;
  let answered = false;
  while (!answered && Date.now() < deadline) {
    answered = await ask(db).then(
      () => true,
      (cause: unknown) => {
        failure ??= cause;
        return false;
      },
    );
  }
  expect(answered).toBe(true);
  expect(await isUnavailable({ ready: async () => {} }, failure)).toBe(true);
  relay.close();
  await db.close();
  await drop();
});
