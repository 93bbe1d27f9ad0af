import { z } from 'zod';

/** How a customer is named outside: `C-` and its number. */
export const customerReferenceSchema = z
  .string()
  .regex(/^C-[1-9]\d{0,8}$/)
  .describe('The number of a customer, such as C-7.');

/** The name of the customer with this number. */
export function customerReference(id: number): string {
  return `C-${id}`;
}

/** The number behind a name that {@link customerReferenceSchema} accepted. */
export function customerId(reference: string): number {
  return Number(reference.slice('C-'.length));
}
