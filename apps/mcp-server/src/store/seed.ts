import type { Transaction } from 'kysely';
import { ASSIGNED_SEED_TICKETS, FIRST_ASSIGNED_TICKET_ID } from './seed-assigned-tickets.ts';
import { SEED_CUSTOMERS } from './seed-customers.ts';
import { FIRST_TICKET_ID, SEED_TICKETS, type SeedTicket } from './seed-tickets.ts';
import type { DeskTables } from './tables.ts';

const FIRST_DAY = Date.UTC(2026, 0, 5, 8, 30);
const HOUR_MS = 3_600_000;
/** No token has this subject. */
const INVENTED_AGENT = 'invented-agent';

/** Fills the empty tables with invented customers and tickets, the same on every machine. */
export async function insertSeed(transaction: Transaction<DeskTables>): Promise<void> {
  await transaction
    .insertInto('customer')
    .values(SEED_CUSTOMERS.map((customer, index) => ({ id: index + 1, ...customer })))
    .execute();
  await insertTickets(transaction, SEED_TICKETS, { firstId: FIRST_TICKET_ID });
}

/** Adds tickets that belong to an invented agent, so that there is something that others must not see. */
export async function insertAssignedSeed(transaction: Transaction<DeskTables>): Promise<void> {
  const place = { firstId: FIRST_ASSIGNED_TICKET_ID, assignee: INVENTED_AGENT };
  await insertTickets(transaction, ASSIGNED_SEED_TICKETS, place);
}

async function insertTickets(
  transaction: Transaction<DeskTables>,
  tickets: readonly SeedTicket[],
  place: { firstId: number; assignee?: string },
): Promise<void> {
  await transaction
    .insertInto('ticket')
    .values(tickets.map((ticket, index) => ticketRow(ticket, index, place)))
    .execute();
  await transaction
    .insertInto('ticket_message')
    .values(tickets.flatMap((ticket, index) => messageRows(ticket, index, place)))
    .execute();
}

function ticketRow(
  ticket: SeedTicket,
  index: number,
  { firstId, ...assigned }: { firstId: number; assignee?: string },
) {
  const { customer, subject, status, priority, messages } = ticket;
  return {
    id: firstId + index,
    customer_id: customer,
    subject,
    status,
    priority,
    created_at: momentOf(index, 0),
    updated_at: momentOf(index, messages.length - 1),
    ...assigned,
  };
}

function messageRows({ customer, messages }: SeedTicket, index: number, { firstId }: { firstId: number }) {
  return messages.map((body, turn) => ({
    ticket_id: firstId + index,
    author_kind: turn % 2 === 0 ? ('customer' as const) : ('agent' as const),
    author: turn % 2 === 0 ? String(customer) : INVENTED_AGENT,
    body,
    created_at: momentOf(index, turn),
  }));
}

/** A ticket every seven hours, an answer every three. */
function momentOf(index: number, turn: number): string {
  return new Date(FIRST_DAY + (index * 7 + turn * 3) * HOUR_MS).toISOString();
}
