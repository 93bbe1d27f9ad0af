import type { ReplayStore } from '@portcullis/guard';
import { type Database, useIdentifier } from '@portcullis/persistence';

/** The replicas' clocks may differ: a proof that one of them takes still must not be cleaned away by another. */
const CLOCKS_DIFFER_MS = 60_000;

/** Remembers in the database which proofs the admin API has taken, so that each works once on all replicas together. */
export function sharedProofs(database: Database): ReplayStore {
  return {
    claim: async ({ identifier, expiresAt, now }) => {
      const until = new Date(expiresAt.getTime() + CLOCKS_DIFFER_MS);
      return (await useIdentifier(database, { identifier: `admin-api ${identifier}`, until, now }))
        ? 'first'
        : 'replayed';
    },
  };
}
