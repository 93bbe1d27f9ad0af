import { confirmationPlace } from './confirmation-store.ts';
import type { Database } from './database.ts';
import { engineRecordPlace } from './engine-adapter/engine-records.ts';
import { createEnvelope, sealedPrefix } from './envelope.ts';
import { type MasterKey, masterKeyCheckPlace } from './master-key.ts';
import { signingKeyPlace } from './signing-key-store.ts';
import { upstreamFlowPlace } from './upstream-flow-store.ts';
import { upstreamConnectionPlace, upstreamRevocationPlace } from './upstream-tokens.ts';

const batchSize = 200;

type Prisma = Database['prisma'];

/** A value that is encrypted under a master key. */
type SealedValue = {
  sealed: string;
  /** What it was sealed with as associated data. */
  place: string;
  /** Puts another form of the same value there, unless somebody has changed it. */
  replace(sealed: string): ReturnType<Prisma['signingKey']['updateMany']>;
};

/** A column whose values are sealed: at most {@link batchSize} of those that begin like this. */
type SealedColumn = (prefix: string) => Promise<SealedValue[]>;

/**
 * Encrypts under the current master key what is still encrypted under the previous one, in batches of 200. It can be
 * ended at any moment, and done again: every value opens under one of the two keys at all times, and the check that ties
 * the database to a master key is changed last, when the previous key is no longer needed.
 *
 * @returns how many values were encrypted anew
 */
export async function resealUnderMasterKey(
  { prisma }: Database,
  { current, previous }: { current: MasterKey; previous: MasterKey },
): Promise<number> {
  const envelope = createEnvelope(current, previous);
  const prefix = sealedPrefix(previous);
  let resealed = 0;
  for (const column of sealedColumns(prisma)) {
    for (;;) {
      // LIKE is less exact than it should be: `_` stands for anything, and SQLite takes no notice of case.
      const values = (await column(prefix)).filter(({ sealed }) => sealed.startsWith(prefix));
      if (values.length === 0) break;
      const writes = values.map(({ sealed, place, replace }) =>
        replace(envelope.seal(envelope.open(sealed, place), place)),
      );
      const results = await prisma.$transaction(writes);
      resealed += results.reduce((sum, { count }) => sum + count, 0);
    }
  }
  return resealed;
}

/** Every column that is sealed under the master key. The one that ties the database to it comes last. */
function sealedColumns(prisma: Prisma): SealedColumn[] {
  const take = batchSize;
  return [
    async (startsWith) => {
      const rows = await prisma.signingKey.findMany({ where: { sealedKey: { startsWith } }, take });
      return rows.map(({ id, sealedKey }) => ({
        sealed: sealedKey ?? '',
        place: signingKeyPlace(id),
        replace: (sealed) => prisma.signingKey.updateMany({ where: { id, sealedKey }, data: { sealedKey: sealed } }),
      }));
    },
    async (startsWith) => {
      const rows = await prisma.engineRecord.findMany({ where: { payload: { startsWith } }, take });
      return rows.map(({ model, id, payload }) => ({
        sealed: payload,
        place: engineRecordPlace(model, id),
        replace: (sealed) =>
          prisma.engineRecord.updateMany({ where: { model, id, payload }, data: { payload: sealed } }),
      }));
    },
    async (startsWith) => {
      const rows = await prisma.upstreamConnection.findMany({ where: { sealedTokens: { startsWith } }, take });
      return rows.map((row) => ({
        sealed: row.sealedTokens,
        place: upstreamConnectionPlace(row),
        replace: (sealed) =>
          prisma.upstreamConnection.updateMany({
            where: { id: row.id, sealedTokens: row.sealedTokens },
            data: { sealedTokens: sealed },
          }),
      }));
    },
    async (startsWith) => {
      const rows = await prisma.upstreamRevocation.findMany({ where: { sealedTokens: { startsWith } }, take });
      return rows.map((row) => ({
        sealed: row.sealedTokens,
        place: upstreamRevocationPlace(row),
        replace: (sealed) =>
          prisma.upstreamRevocation.updateMany({
            where: { id: row.id, sealedTokens: row.sealedTokens },
            data: { sealedTokens: sealed },
          }),
      }));
    },
    async (startsWith) => {
      const rows = await prisma.upstreamFlow.findMany({ where: { sealed: { startsWith } }, take });
      return rows.map(({ id, sealed: before }) => ({
        sealed: before,
        place: upstreamFlowPlace(id),
        replace: (sealed) => prisma.upstreamFlow.updateMany({ where: { id, sealed: before }, data: { sealed } }),
      }));
    },
    async (startsWith) => {
      const rows = await prisma.confirmation.findMany({ where: { sealedCall: { startsWith } }, take });
      return rows.map(({ id, sealedCall }) => ({
        sealed: sealedCall ?? '',
        place: confirmationPlace(id),
        replace: (sealed) =>
          prisma.confirmation.updateMany({ where: { id, sealedCall }, data: { sealedCall: sealed } }),
      }));
    },
    async (startsWith) => {
      const rows = await prisma.masterKeyCheck.findMany({ where: { sealed: { startsWith } }, take });
      return rows.map(({ id, sealed: before }) => ({
        sealed: before,
        place: masterKeyCheckPlace,
        replace: (sealed) => prisma.masterKeyCheck.updateMany({ where: { id, sealed: before }, data: { sealed } }),
      }));
    },
  ];
}
