import type { Kysely } from 'kysely';
import { type CustomerStore, customerStore } from './customer-store.ts';
import { NEWEST_STEP } from './migrations.ts';
import type { ProofStore } from './proof-store.ts';
import type { DeskTables } from './tables.ts';
import { type TicketStore, ticketStore, type Viewer } from './ticket-store.ts';

/** What a tool sees of the tables: the share of the user whose token it was called with. */
export type DeskView = TicketStore & CustomerStore;

/** Connections of a pool: those that are used, those that are not, and who waits for one. */
export type PoolState = { busy: number; idle: number; waiting: number };

/** The support desk's tables. */
export type DeskStore = {
  /** The only way to the data, so that no tool can leave out for whom it asks. */
  seenBy(viewer: Viewer): DeskView;
  /** Undefined where one process alone serves the desk: its own memory will do. */
  proofs: ProofStore | undefined;
  /** Rejects where the database cannot be reached, or is not the desk's. */
  ping(): Promise<void>;
  /** How its connections are used; undefined for SQLite, which has one. */
  connections(): PoolState | undefined;
  close(): Promise<void>;
};

/** The store over an open database whose tables are up to date; `close` ends what was opened for it. */
export function deskStore(
  db: Kysely<DeskTables>,
  { proofs, connections, close }: Pick<DeskStore, 'proofs' | 'connections' | 'close'>,
): DeskStore {
  return {
    seenBy: (viewer) => ({ ...ticketStore(db, viewer), ...customerStore(db) }),
    proofs,
    connections,
    ping: async () => {
      const applied = await db.selectFrom('schema_migration').select('name').where('name', '=', NEWEST_STEP).execute();
      if (applied.length === 0) throw new Error('the database lacks a migration');
    },
    close,
  };
}
