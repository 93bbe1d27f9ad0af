import { type Kysely, sql, type Transaction } from 'kysely';
import { COUNTER_TABLE } from '../policy/counters.ts';
import { insertAssignedSeed, insertSeed } from './seed.ts';
import type { DeskTables } from './tables.ts';

/** Which database a store runs on. */
export type DatabaseKind = 'sqlite' | 'postgresql';

type Step = { name: string; up(transaction: Transaction<DeskTables>, kind: DatabaseKind): Promise<void> };

/** The last step: a database that has had it has had all. */
export const NEWEST_STEP = '0005-used-proofs';

/** Applied in this order, each once. A step that shipped is never edited: a change is a new step. */
const STEPS: readonly Step[] = [
  { name: '0001-desk-tables', up: createDeskTables },
  { name: '0002-invented-tickets', up: insertSeed },
  { name: '0003-assigned-tickets', up: addAssignees },
  { name: '0004-call-limits', up: createCallLimits },
  { name: NEWEST_STEP, up: createUsedProofs },
];

/** Any number will do, as long as nothing else in the database locks the same. */
const ADVISORY_LOCK = 7_268_534_201;

/**
 * Brings the tables up to date in one transaction, so that a process killed midway leaves nothing half done.
 * Of several replicas that start at once one does the work while the others wait; SQLite's file has one process anyway.
 */
export async function migrate(db: Kysely<DeskTables>, options: { kind: DatabaseKind; now: Date }): Promise<void> {
  await db.transaction().execute(async (transaction) => {
    await lockSchema(transaction, options.kind);
    const applied = await transaction.selectFrom('schema_migration').select('name').execute();
    const done = new Set(applied.map((row) => row.name));
    for (const step of STEPS.filter(({ name }) => !done.has(name))) {
      await step.up(transaction, options.kind);
      await transaction
        .insertInto('schema_migration')
        .values({ name: step.name, applied_at: options.now.toISOString() })
        .execute();
    }
  });
}

async function lockSchema(transaction: Transaction<DeskTables>, kind: DatabaseKind): Promise<void> {
  if (kind === 'postgresql') await sql`select pg_advisory_xact_lock(${sql.lit(ADVISORY_LOCK)})`.execute(transaction);
  await transaction.schema
    .createTable('schema_migration')
    .ifNotExists()
    .addColumn('name', 'text', (column) => column.primaryKey())
    .addColumn('applied_at', moment(kind), (column) => column.notNull())
    .execute();
}

async function createDeskTables(transaction: Transaction<DeskTables>, kind: DatabaseKind): Promise<void> {
  const { schema } = transaction;
  await schema
    .createTable('customer')
    .addColumn('id', 'integer', (column) => column.primaryKey())
    .addColumn('name', 'text', (column) => column.notNull())
    .addColumn('company', 'text', (column) => column.notNull())
    .addColumn('email', 'text', (column) => column.notNull())
    .addColumn('phone', 'text', (column) => column.notNull())
    .addColumn('notes', 'text', (column) => column.notNull())
    .execute();
  await schema
    .createTable('ticket')
    .addColumn('id', 'integer', (column) => column.primaryKey())
    .addColumn('customer_id', 'integer', (column) => column.notNull().references('customer.id'))
    .addColumn('subject', 'text', (column) => column.notNull())
    .addColumn('status', 'text', (column) => column.notNull().check(sql`status in ('open', 'pending', 'solved')`))
    .addColumn('priority', 'text', (column) =>
      column.notNull().check(sql`priority in ('low', 'normal', 'high', 'urgent')`),
    )
    .addColumn('created_at', moment(kind), (column) => column.notNull())
    .addColumn('updated_at', moment(kind), (column) => column.notNull())
    .execute();
  await schema
    .createTable('ticket_message')
    .addColumn('id', 'integer', (column) =>
      kind === 'postgresql' ? column.generatedAlwaysAsIdentity().primaryKey() : column.primaryKey().autoIncrement(),
    )
    .addColumn('ticket_id', 'integer', (column) => column.notNull().references('ticket.id'))
    .addColumn('author_kind', 'text', (column) => column.notNull().check(sql`author_kind in ('customer', 'agent')`))
    .addColumn('author', 'text', (column) => column.notNull())
    .addColumn('body', 'text', (column) => column.notNull())
    .addColumn('created_at', moment(kind), (column) => column.notNull())
    .execute();
  await schema.createIndex('ticket_message_of_ticket').on('ticket_message').columns(['ticket_id', 'id']).execute();
  await schema.createIndex('ticket_of_customer').on('ticket').column('customer_id').execute();
}

async function addAssignees(transaction: Transaction<DeskTables>): Promise<void> {
  await transaction.schema.alterTable('ticket').addColumn('assignee', 'text').execute();
  await insertAssignedSeed(transaction);
}

/** What replicas share of the limits, as rate-limiter-flexible lays it out. SQLite has one process, which counts in memory. */
async function createCallLimits({ schema }: Transaction<DeskTables>, kind: DatabaseKind): Promise<void> {
  if (kind === 'sqlite') return;
  await schema
    .createTable(COUNTER_TABLE)
    .addColumn('key', 'text', (column) => column.primaryKey())
    .addColumn('points', 'integer', (column) => column.notNull())
    .addColumn('expire', 'bigint')
    .execute();
  await schema.createIndex('call_limit_expired').on(COUNTER_TABLE).column('expire').execute();
}

async function createUsedProofs(transaction: Transaction<DeskTables>, kind: DatabaseKind): Promise<void> {
  const { schema } = transaction;
  await schema
    .createTable('used_proof')
    .addColumn('identifier', 'text', (column) => column.primaryKey())
    .addColumn('expires_at', moment(kind), (column) => column.notNull())
    .execute();
  await schema.createIndex('used_proof_by_expiry').on('used_proof').column('expires_at').execute();
}

function moment(kind: DatabaseKind): 'timestamptz' | 'text' {
  return kind === 'postgresql' ? 'timestamptz' : 'text';
}
