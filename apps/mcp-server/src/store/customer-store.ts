import type { Kysely } from 'kysely';
import type { DeskTables } from './tables.ts';

/** Everything that the desk knows about a customer. */
export type Customer = { id: number; name: string; company: string; email: string; phone: string; notes: string };

/** The customers; every user of the desk shares them. */
export type CustomerStore = {
  customer(id: number): Promise<Customer | undefined>;
  /** At most `limit` customers in the order of their numbers, those behind `afterId` only. */
  customers(page: { afterId?: number | undefined; limit: number }): Promise<Customer[]>;
};

/** The customers of an open database. */
export function customerStore(db: Kysely<DeskTables>): CustomerStore {
  const all = () => db.selectFrom('customer').selectAll();
  return {
    customer: (id) => all().where('id', '=', id).executeTakeFirst(),
    customers: ({ afterId = 0, limit }) => all().where('id', '>', afterId).orderBy('id').limit(limit).execute(),
  };
}
