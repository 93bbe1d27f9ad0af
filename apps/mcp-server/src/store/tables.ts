import type { Generated } from 'kysely';

/** Where a ticket stands. */
export const TICKET_STATUSES = ['open', 'pending', 'solved'] as const;
/** One of {@link TICKET_STATUSES}. */
export type TicketStatus = (typeof TICKET_STATUSES)[number];

/** How urgent a ticket is, the least first. */
export const TICKET_PRIORITIES = ['low', 'normal', 'high', 'urgent'] as const;
/** One of {@link TICKET_PRIORITIES}. */
export type TicketPriority = (typeof TICKET_PRIORITIES)[number];

/** Who wrote a message: the customer, or somebody at the desk. */
export const AUTHOR_KINDS = ['customer', 'agent'] as const;
/** One of {@link AUTHOR_KINDS}. */
export type AuthorKind = (typeof AUTHOR_KINDS)[number];

/** A moment as the two databases give it back: text from SQLite, a `Date` from PostgreSQL. Written as ISO 8601 text. */
export type StoredMoment = string | Date;

type CustomerTable = {
  id: number;
  name: string;
  company: string;
  email: string;
  phone: string;
  notes: string;
};

type TicketTable = {
  id: number;
  customer_id: number;
  subject: string;
  status: TicketStatus;
  priority: TicketPriority;
  created_at: StoredMoment;
  updated_at: StoredMoment;
  /** The subject to whom alone the ticket belongs; `null` where it is everybody's at the desk. */
  assignee: Generated<string | null>;
};

type TicketMessageTable = {
  id: Generated<number>;
  ticket_id: number;
  author_kind: AuthorKind;
  /** The token's subject for an agent, the customer's number for a customer. */
  author: string;
  body: string;
  created_at: StoredMoment;
};

type UsedProofTable = { identifier: string; expires_at: StoredMoment };

type SchemaMigrationTable = { name: string; applied_at: StoredMoment };

/** The tables of the support desk. */
export type DeskTables = {
  customer: CustomerTable;
  ticket: TicketTable;
  ticket_message: TicketMessageTable;
  used_proof: UsedProofTable;
  schema_migration: SchemaMigrationTable;
};
