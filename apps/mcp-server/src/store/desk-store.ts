import { type Kysely, sql } from 'kysely';
import { type CustomerStore, customerStore } from './customer-store.ts';
import type { ProofStore } from './proof-store.ts';
import type { DeskTables } from './tables.ts';
import { type TicketStore, ticketStore, type Viewer } from './ticket-store.ts';

/** What a tool sees of the tables: the share of the user whose token it was called with. */
export type DeskView = TicketStore & CustomerStore;

/** The support desk's tables. */
export type DeskStore = {
  /** The only way to the data, so that no tool can leave out for whom it asks. */
  seenBy(viewer: Viewer): DeskView;
  /** Undefined where one process alone serves the desk: its own memory will do. */
  proofs: ProofStore | undefined;
  /** Rejects where the database cannot be reached. */
  ping(): Promise<void>;
  close(): Promise<void>;
};

/** The store over an open database whose tables are up to date; `close` ends what was opened for it. */
export function deskStore(db: Kysely<DeskTables>, { proofs, close }: Pick<DeskStore, 'proofs' | 'close'>): DeskStore {
  return {
    seenBy: (viewer) => ({ ...ticketStore(db, viewer), ...customerStore(db) }),
    proofs,
    ping: async () => void (await sql`select 1`.execute(db)),
    close,
  };
}
