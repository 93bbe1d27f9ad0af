import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { clean, createRedemptionStore, type Database, hashToken, openDatabase } from '@portcullis/persistence';
import { startPostgresql } from '@portcullis/test-database';
import type { BenchmarkCase, ResultTable } from '../benchmark-case.ts';

/** Between two refreshes of a family: more than the grace, less than what a rotated token is kept for. */
const STEP_SECONDS = 150;
const GRACE_SECONDS = 120;
const KEPT_SECONDS = 180;
const AT_ONCE = 8;
const BEGIN_MS = Date.parse('2026-01-01T00:00:00Z');
const DAY_SECONDS = 86_400;

/**
 * Refreshes with a clock that moves, and counts rows after each cleaning. It goes by the store's own rotation, its
 * cleaning and its forgetting of answers, without HTTP and signatures: `volume-refresh.test.ts` shows the same through
 * the token endpoint at a smaller number.
 */
export const refreshVolume: BenchmarkCase = {
  name: 'refresh-volume',
  async run({ quick, size: refreshes = quick ? 200 : 1_000_000 }) {
    // At least a hundred rotations each, so that a tenth of them says something.
    const families = Math.min(1000, Math.ceil(refreshes / 100));
    const folder = await mkdtemp(join(tmpdir(), 'portcullis-benchmark-'));
    const cluster = await startPostgresql();
    try {
      const sqlite = pathToFileURL(join(folder, 'volume.sqlite')).href;
      return {
        name: refreshVolume.name,
        tables: [
          await measure('SQLite', { url: sqlite, families, refreshes }),
          await measure('PostgreSQL', { url: cluster.url, families, refreshes }),
        ],
        notes: [`${refreshes} refreshes of ${families} families, ${STEP_SECONDS} s between two of a family.`],
      };
    } finally {
      await cluster.stop();
      await rm(folder, { recursive: true, force: true });
    }
  },
};

/** What rotates, and where: `refreshes` in all, of `families`, in a database that is empty. */
export type Volume = { url: string; families: number; refreshes: number };

/** What was in the tables after a cleaning, `share` (0 to 1) of the way. */
type VolumeSample = { share: number; refreshes: number; refreshTokens: number; rows: number; seconds: number };

/** Plays it, and looks at the tables at each tenth of the way; `most` is the most refresh tokens after any cleaning. */
export async function playRefreshes({ url, families, refreshes }: Volume) {
  const database = await openDatabase({ url });
  const steps = Math.ceil(refreshes / families);
  const startedAt = performance.now();
  const samples: VolumeSample[] = [];
  let tokens = await begin(database, families);
  let most = 0;
  for (let step = 1; step <= steps; step++) {
    const now = new Date(BEGIN_MS + step * STEP_SECONDS * 1000);
    tokens = await rotateAll(database, { tokens, now });
    const after = new Date(now.getTime() + STEP_SECONDS * 1000 - 1);
    await createRedemptionStore(database).forgetAnswers(after);
    await clean(database, after);
    const refreshTokens = await database.prisma.refreshToken.count();
    most = Math.max(most, refreshTokens);
    if (step % Math.ceil(steps / 10) === 0 || step === steps) {
      const rows = refreshTokens + (await database.prisma.grant.count()) + (await database.prisma.revocation.count());
      const seconds = (performance.now() - startedAt) / 1000;
      samples.push({ share: step / steps, refreshes: step * families, refreshTokens, rows, seconds });
    }
  }
  await database.close();
  return { samples, most };
}

async function measure(title: string, volume: Volume): Promise<ResultTable> {
  const { samples, most } = await playRefreshes(volume);
  return {
    title: `${title}: rows after cleaning, ${volume.families} live families, never more than ${most} refresh tokens`,
    columns: ['done', 'refreshes', 'refresh tokens', 'with grants and revocations', 'seconds'],
    lines: samples.map(({ share, refreshes, refreshTokens, rows, seconds }) => [
      `${Math.round(share * 100)} %`,
      ...[refreshes, refreshTokens, rows],
      seconds.toFixed(0),
    ]),
  };
}

type Token = { value: string; grantId: string; rotations: number };

const secret = () => randomBytes(32).toString('base64url');

async function begin({ prisma }: Database, families: number): Promise<Token[]> {
  const issuedAt = new Date(BEGIN_MS);
  const expiresAt = new Date(BEGIN_MS + 3650 * DAY_SECONDS * 1000);
  const tokens = Array.from({ length: families }, () => ({ value: secret(), grantId: secret(), rotations: 0 }));
  const common = { userId: 'user', clientId: 'client', detail: '{}', issuedAt, expiresAt };
  await prisma.grant.createMany({ data: tokens.map(({ grantId: id }) => ({ id, ...common })) });
  await prisma.refreshToken.createMany({
    data: tokens.map(({ value, grantId }) => ({ id: hashToken(value), grantId, firstIssuedAt: issuedAt, ...common })),
  });
  return tokens;
}

/** Eight families at a time. */
async function rotateAll(database: Database, { tokens, now }: { tokens: Token[]; now: Date }): Promise<Token[]> {
  const next: Token[] = [];
  for (let begun = 0; begun < tokens.length; begun += AT_ONCE) {
    next.push(
      ...(await Promise.all(tokens.slice(begun, begun + AT_ONCE).map((token) => rotate(database, token, now)))),
    );
  }
  return next;
}

async function rotate(database: Database, { value, grantId, rotations }: Token, now: Date): Promise<Token> {
  const successor = { value: secret(), grantId, rotations: rotations + 1 };
  const seconds = Math.floor(now.getTime() / 1000);
  const payload = {
    ...{ accountId: 'user', clientId: 'client', grantId, scope: 'desk:read', rotations: successor.rotations },
    iat: seconds,
  };
  const issued = { value: successor.value, payload, expiresInSeconds: 30 * DAY_SECONDS };
  const rotated = await createRedemptionStore(database).rotate({
    value,
    grantId,
    tokensEndedUntil: undefined,
    successor: issued,
    fingerprint: 'benchmark',
    answer: { text: 'x'.repeat(1200), expiresAt: new Date(now.getTime() + GRACE_SECONDS * 1000) },
    forgetAt: new Date(now.getTime() + KEPT_SECONDS * 1000),
    event: { time: now, type: 'token.refreshed', outcome: 'success' },
    now,
  });
  if (!rotated.ok) throw new Error(`a refresh was refused: ${rotated.refusal.reason}`);
  return successor;
}
