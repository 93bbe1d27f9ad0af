import { DatabaseSync } from 'node:sqlite';
import pg from 'pg';
import { type StoreOptions, sqliteFile } from '../../src/store/open-store.ts';

/** All that a tool could have changed. */
type StoredRows = { customers: unknown[]; tickets: unknown[]; messages: { author: string; ticketId: number }[] };

const QUERIES = {
  customers: 'select * from customer order by id',
  tickets: 'select id, customer_id, subject, priority from ticket order by id',
  messages: 'select id, ticket_id, author_kind, author, body from ticket_message order by id',
};

/** Reads the desk's tables past its tools, over a connection of its own. What a reply may change of a ticket is left out. */
export async function storedRows(options: StoreOptions): Promise<StoredRows> {
  const { customers, tickets, messages } = options.databaseUrl
    ? await fromPostgresql(options.databaseUrl.reveal())
    : fromSqlite(sqliteFile(options.dataDir));
  return {
    customers,
    tickets,
    messages: messages.map((row) => ({ ...row, author: String(row.author), ticketId: Number(row.ticket_id) })),
  };
}

type Rows = Record<keyof typeof QUERIES, Record<string, unknown>[]>;

async function fromPostgresql(connectionString: string): Promise<Rows> {
  const client = new pg.Client({ connectionString });
  await client.connect();
  try {
    const rows = async (query: string) => (await client.query<Record<string, unknown>>(query)).rows;
    return {
      customers: await rows(QUERIES.customers),
      tickets: await rows(QUERIES.tickets),
      messages: await rows(QUERIES.messages),
    };
  } finally {
    await client.end();
  }
}

function fromSqlite(file: string): Rows {
  const database = new DatabaseSync(file, { readOnly: true });
  try {
    const rows = (query: string) => database.prepare(query).all();
    return {
      customers: rows(QUERIES.customers),
      tickets: rows(QUERIES.tickets),
      messages: rows(QUERIES.messages),
    };
  } finally {
    database.close();
  }
}
