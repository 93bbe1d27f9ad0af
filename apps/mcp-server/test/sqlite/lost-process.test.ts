import { readFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import { sqliteAnalytics } from '../../src/analytics/sqlite-analytics.ts';
import { openStore, sqliteFile } from '../../src/store/open-store.ts';
import { emptyDatabase } from '../support/databases.ts';
import { silentLogger } from '../support/silent-logger.ts';

const { signal } = new AbortController();

/** The processes that this one has started. */
function children(): number[] {
  return readFileSync(`/proc/self/task/${process.pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number);
}

// The kernel may end it when memory is short.
test('SP-30 a process for queries that was ended while it had nothing to do is replaced', async () => {
  const database = await emptyDatabase();
  await (await openStore(database, { logger: silentLogger, now: () => new Date() })).close();
  const before = new Set(children());
  const analytics = sqliteAnalytics({ file: sqliteFile(database.dataDir), timeoutMs: 20_000 });
  try {
    expect(await analytics.run('select 1', signal)).toMatchObject({ ok: true });
    const [idle] = children().filter((pid) => !before.has(pid));
    process.kill(idle ?? 0, 'SIGKILL');
    while (children().includes(idle ?? 0)) await new Promise((resolve) => setTimeout(resolve, 10));
    expect(await analytics.run('select 1', signal)).toMatchObject({ ok: true });
  } finally {
    await analytics.close();
    await database.drop();
  }
});
