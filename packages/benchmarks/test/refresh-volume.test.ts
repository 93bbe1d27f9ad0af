import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect, test } from '@jest/globals';
import { rounds, startPostgresql } from '@portcullis/test-database';
import { playRefreshes } from '../src/cases/refresh-volume.ts';

const families = rounds(100);
/** With full rounds 100,000 on both databases together. */
const refreshes = families * rounds(500);

async function expectAsManyRowsAtTheEnd(url: string): Promise<void> {
  const { samples, most } = await playRefreshes({ url, families, refreshes });
  const [tenth, end] = [samples[0], samples.at(-1)];
  process.stdout.write(
    `${refreshes} refreshes of ${families} families: ${tenth?.rows} rows at 10 %, ${end?.rows} at the end, ${most} refresh tokens at most\n`,
  );
  expect(end?.refreshes).toBe(refreshes);
  expect(most).toBeLessThanOrEqual(2 * families);
  expect(end?.rows).toBeGreaterThanOrEqual(families);
  expect(Math.abs((end?.rows ?? 0) / (tenth?.rows ?? 0) - 1)).toBeLessThan(0.05);
}

test('SP-5: after each cleaning there are at most two rows for a family, however often it was refreshed (SQLite)', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'portcullis-volume-'));
  await expectAsManyRowsAtTheEnd(pathToFileURL(join(folder, 'volume.sqlite')).href);
  await rm(folder, { recursive: true, force: true });
}, 1_200_000);

test('SP-5: the same on PostgreSQL', async () => {
  const cluster = await startPostgresql();
  try {
    await expectAsManyRowsAtTheEnd(cluster.url);
  } finally {
    await cluster.stop();
  }
}, 1_200_000);
