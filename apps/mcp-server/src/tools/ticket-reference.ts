import { z } from 'zod';

/** How a ticket is named outside: `T-` and its number. */
export const ticketReferenceSchema = z
  .string()
  .regex(/^T-[1-9]\d{0,8}$/)
  .describe('The number of a ticket, such as T-1001.');

/** The name of the ticket with this number. */
export function ticketReference(id: number): string {
  return `T-${id}`;
}

/** The number behind a name that {@link ticketReferenceSchema} accepted. */
export function ticketId(reference: string): number {
  return Number(reference.slice('T-'.length));
}
