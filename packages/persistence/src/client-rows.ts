import type { Database } from './database.ts';
import type { Client } from './generated/postgresql/client.ts';
import { CLIENT_BY_ID } from './statements/lookups.ts';

/** What one request has read of clients, by their ids; with the request it goes. */
export type ClientMemory = Map<string, Promise<Client | null>>;

/** The rows of clients. */
export type ClientRows = { find(id: string): Promise<Client | null> };

/**
 * Reads clients, each once where there is a memory: the steps of one request see one and the same client, as it was when
 * the first of them asked. Whoever decides in a transaction reads there, and not here.
 *
 * @param memory of the request that is being handled; undefined where there is none, or none is wanted
 */
export function createClientRows({ statements }: Database, memory?: () => ClientMemory | undefined): ClientRows {
  const read = async (id: string) => (await statements.run<Client>(CLIENT_BY_ID, id))[0] ?? null;
  return {
    find: (id) => {
      const rows = memory?.();
      const known = rows?.get(id);
      if (known) return known;
      const row = read(id);
      rows?.set(id, row);
      return row;
    },
  };
}
