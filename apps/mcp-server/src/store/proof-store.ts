import type { Logger } from '@portcullis/platform';
import type { Kysely } from 'kysely';
import type { DeskTables } from './tables.ts';

/** Which DPoP proofs were used, for all replicas together. */
export type ProofStore = {
  /**
   * Notes a use; of several at once one is the first. `full` when it cannot be noted now. Each use also forgets some
   * whose time is over, so that they stay few.
   */
  claim(use: { identifier: string; expiresAt: Date; now: Date }): Promise<'first' | 'replayed' | 'full'>;
};

/** Each use adds one and takes at most so many away. */
const FORGOTTEN_AT_ONCE = 10;

/** The replicas' clocks may differ: a proof that one of them takes still must not be forgotten by another. */
const CLOCKS_DIFFER_MS = 60_000;

/** The used proofs in an open PostgreSQL database. */
export function proofStore(db: Kysely<DeskTables>, logger: Logger): ProofStore {
  return {
    async claim({ identifier, expiresAt, now }) {
      try {
        await forget(db, new Date(now.getTime() - CLOCKS_DIFFER_MS));
        const { numInsertedOrUpdatedRows: added } = await db
          .insertInto('used_proof')
          .values({ identifier, expires_at: expiresAt.toISOString() })
          .onConflict((conflict) => conflict.doNothing())
          .executeTakeFirstOrThrow();
        return added === 1n ? 'first' : 'replayed';
      } catch (cause) {
        logger.error({ err: cause }, 'the use of a proof could not be noted');
        return 'full';
      }
    },
  };
}

/** Skips what another replica is forgetting, or the two could wait for each other. */
async function forget(db: Kysely<DeskTables>, before: Date): Promise<void> {
  const over = db
    .selectFrom('used_proof')
    .select('identifier')
    .where('expires_at', '<', before.toISOString())
    .orderBy('expires_at')
    .limit(FORGOTTEN_AT_ONCE)
    .forUpdate()
    .skipLocked();
  await db.deleteFrom('used_proof').where('identifier', 'in', over).execute();
}
