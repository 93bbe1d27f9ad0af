import type { Transaction } from 'kysely';
import { SEED_CUSTOMERS } from './seed-customers.ts';
import { FIRST_TICKET_ID, SEED_TICKETS } from './seed-tickets.ts';
import type { DeskTables } from './tables.ts';

const FIRST_DAY = Date.UTC(2026, 0, 5, 8, 30);
const HOUR_MS = 3_600_000;

/** Fills the empty tables with invented customers and tickets, the same on every machine. */
export async function insertSeed(transaction: Transaction<DeskTables>): Promise<void> {
  await transaction
    .insertInto('customer')
    .values(SEED_CUSTOMERS.map((customer, index) => ({ id: index + 1, ...customer })))
    .execute();
  await transaction
    .insertInto('ticket')
    .values(SEED_TICKETS.map((_, index) => ticketRow(index)))
    .execute();
  await transaction
    .insertInto('ticket_message')
    .values(SEED_TICKETS.flatMap((_, index) => messageRows(index)))
    .execute();
}

function ticketRow(index: number) {
  const { customer, subject, status, priority, messages } = seedTicket(index);
  return {
    id: FIRST_TICKET_ID + index,
    customer_id: customer,
    subject,
    status,
    priority,
    created_at: momentOf(index, 0),
    updated_at: momentOf(index, messages.length - 1),
  };
}

function messageRows(index: number) {
  const { customer, messages } = seedTicket(index);
  return messages.map((body, turn) => ({
    ticket_id: FIRST_TICKET_ID + index,
    author_kind: turn % 2 === 0 ? ('customer' as const) : ('agent' as const),
    author: turn % 2 === 0 ? String(customer) : 'invented-agent',
    body,
    created_at: momentOf(index, turn),
  }));
}

function seedTicket(index: number) {
  const ticket = SEED_TICKETS[index];
  if (ticket === undefined) throw new RangeError('there is no such invented ticket');
  return ticket;
}

/** A ticket every seven hours, an answer every three. */
function momentOf(index: number, turn: number): string {
  return new Date(FIRST_DAY + (index * 7 + turn * 3) * HOUR_MS).toISOString();
}
