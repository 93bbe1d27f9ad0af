import { type ExpressionBuilder, type Kysely, sql } from 'kysely';
import type { AuthorKind, DeskTables, StoredMoment, TicketPriority, TicketStatus } from './tables.ts';

/** A ticket without its messages. */
export type Ticket = {
  id: number;
  customerId: number;
  customerName: string;
  subject: string;
  status: TicketStatus;
  priority: TicketPriority;
  createdAt: Date;
  updatedAt: Date;
};

/** One message of a ticket. */
type TicketMessage = { id: number; authorKind: AuthorKind; author: string; body: string; createdAt: Date };

/** Which tickets to give, the newest first. */
type TicketSearch = {
  /** Words that the subject or a message contains, in any case. */
  text?: string | undefined;
  status?: TicketStatus | undefined;
  priority?: TicketPriority | undefined;
  /** Only tickets with a smaller number than this. */
  beforeId?: number | undefined;
  /** How many at most. */
  limit: number;
};

/** A reply that the viewer writes. */
type NewReply = {
  ticketId: number;
  body: string;
  status: TicketStatus;
  /** Whether the ticket is the viewer's own from now on. */
  assignToAuthor?: boolean;
  now: Date;
};

/** Whose eyes look at the tickets. */
export type Viewer = {
  /** The token's subject. */
  subject: string;
  /** Sees and answers what is assigned to others too. */
  seesAll: boolean;
};

/** The tickets that one viewer may see; whatever is assigned to somebody else is not there (SP-26). */
export type TicketStore = {
  search(search: TicketSearch): Promise<Ticket[]>;
  ticket(id: number): Promise<Ticket | undefined>;
  /** The latest `limit` messages of a ticket, the oldest of them first. */
  messages(ticketId: number, limit: number): Promise<TicketMessage[]>;
  /**
   * Adds a message of the viewer's and sets the status in one transaction, durable when it resolves; `undefined` without
   * such a ticket. Of several who assign one ticket to themselves at the same moment, one gets it.
   */
  reply(reply: NewReply): Promise<TicketMessage | undefined>;
};

/** The tickets as `viewer` sees them. */
export function ticketStore(db: Kysely<DeskTables>, viewer: Viewer): TicketStore {
  return {
    search: (search) => searchTickets(db, viewer, search),
    ticket: (id) => findTicket(db, viewer, id),
    messages: (ticketId, limit) => latestMessages(db, viewer, { ticketId, limit }),
    reply: (reply) => addReply(db, viewer, reply),
  };
}

/** The one condition under which a ticket is there for a viewer. */
function visibleTo({ subject, seesAll }: Viewer) {
  return ({ eb, or, lit }: ExpressionBuilder<DeskTables, 'ticket'>) =>
    seesAll ? eb(lit(1), '=', lit(1)) : or([eb('ticket.assignee', 'is', null), eb('ticket.assignee', '=', subject)]);
}

function tickets(db: Kysely<DeskTables>, viewer: Viewer) {
  return db
    .selectFrom('ticket')
    .innerJoin('customer', 'customer.id', 'ticket.customer_id')
    .select([
      'ticket.id',
      'ticket.customer_id',
      'customer.name as customer_name',
      'ticket.subject',
      'ticket.status',
      'ticket.priority',
      'ticket.created_at',
      'ticket.updated_at',
    ])
    .where(visibleTo(viewer));
}

async function searchTickets(db: Kysely<DeskTables>, viewer: Viewer, search: TicketSearch): Promise<Ticket[]> {
  let query = tickets(db, viewer).orderBy('ticket.id', 'desc').limit(search.limit);
  if (search.beforeId !== undefined) query = query.where('ticket.id', '<', search.beforeId);
  if (search.status !== undefined) query = query.where('ticket.status', '=', search.status);
  if (search.priority !== undefined) query = query.where('ticket.priority', '=', search.priority);
  if (search.text !== undefined) {
    const pattern = `%${escapeLike(search.text)}%`;
    const contains = (column: string) => sql<boolean>`lower(${sql.ref(column)}) like lower(${pattern}) escape '\\'`;
    query = query.where(({ or, exists, selectFrom }) =>
      or([
        contains('ticket.subject'),
        exists(
          selectFrom('ticket_message')
            .select('ticket_message.id')
            .whereRef('ticket_message.ticket_id', '=', 'ticket.id')
            .where(contains('ticket_message.body')),
        ),
      ]),
    );
  }
  return (await query.execute()).map(asTicket);
}

async function findTicket(db: Kysely<DeskTables>, viewer: Viewer, id: number): Promise<Ticket | undefined> {
  const row = await tickets(db, viewer).where('ticket.id', '=', id).executeTakeFirst();
  return row && asTicket(row);
}

async function latestMessages(
  db: Kysely<DeskTables>,
  viewer: Viewer,
  { ticketId, limit }: { ticketId: number; limit: number },
): Promise<TicketMessage[]> {
  const rows = await db
    .selectFrom('ticket_message')
    .innerJoin('ticket', 'ticket.id', 'ticket_message.ticket_id')
    .selectAll('ticket_message')
    .where('ticket_message.ticket_id', '=', ticketId)
    .where(visibleTo(viewer))
    .orderBy('ticket_message.id', 'desc')
    .limit(limit)
    .execute();
  return rows.reverse().map(asMessage);
}

async function addReply(db: Kysely<DeskTables>, viewer: Viewer, reply: NewReply): Promise<TicketMessage | undefined> {
  const at = reply.now.toISOString();
  return await db.transaction().execute(async (transaction) => {
    const updated = await transaction
      .updateTable('ticket')
      .set({ status: reply.status, updated_at: at, ...(reply.assignToAuthor && { assignee: viewer.subject }) })
      .where('ticket.id', '=', reply.ticketId)
      .where(visibleTo(viewer))
      .executeTakeFirst();
    if (updated.numUpdatedRows === 0n) return undefined;
    const row = await transaction
      .insertInto('ticket_message')
      .values({
        ticket_id: reply.ticketId,
        author_kind: 'agent',
        author: viewer.subject,
        body: reply.body,
        created_at: at,
      })
      .returningAll()
      .executeTakeFirstOrThrow();
    return asMessage(row);
  });
}

/** `%`, `_` and the escape character itself are ordinary letters to whoever searches. */
function escapeLike(text: string): string {
  return text.replace(/[\\%_]/g, (character) => `\\${character}`);
}

type TicketRow = Awaited<ReturnType<ReturnType<typeof tickets>['execute']>>[number];

function asTicket(row: TicketRow): Ticket {
  return {
    id: row.id,
    customerId: row.customer_id,
    customerName: row.customer_name,
    subject: row.subject,
    status: row.status,
    priority: row.priority,
    createdAt: new Date(row.created_at),
    updatedAt: new Date(row.updated_at),
  };
}

type MessageRow = { id: number; author_kind: AuthorKind; author: string; body: string; created_at: StoredMoment };

function asMessage(row: MessageRow): TicketMessage {
  return {
    id: row.id,
    authorKind: row.author_kind,
    author: row.author,
    body: row.body,
    createdAt: new Date(row.created_at),
  };
}
