import { z } from 'zod';

/** A text in a cursor. Ours has no control characters, and PostgreSQL refuses one of them. */
export const placeText = z.string().regex(/^\P{Cc}*$/u);

/** The place in a list by age: a moment, of the years that every database knows, and an id. */
export const placeInTime = z.tuple([
  z.iso
    .datetime()
    .refine((text) => !text.startsWith('0000'))
    .transform((text) => new Date(text)),
  placeText,
]);

/** Turns the place of an entry in its list into a cursor: opaque to the caller, and nothing secret. */
function cursorOf(place: unknown): string {
  return Buffer.from(JSON.stringify(place)).toString('base64url');
}

/** The place that a cursor names; undefined for a cursor that we did not make. */
export function placeOf<Place>(cursor: string, schema: z.ZodType<Place>): Place | undefined {
  try {
    return schema.safeParse(JSON.parse(Buffer.from(cursor, 'base64url').toString())).data;
  } catch {
    return undefined;
  }
}

/** A page out of one entry more than it may have: the surplus one tells that there is a next page. */
export function pageOf<Entry, Item>(
  entries: readonly Entry[],
  { limit, place, item }: { limit: number; place: (entry: Entry) => unknown; item: (entry: Entry) => Item },
): { items: Item[]; next?: string } {
  const shown = entries.slice(0, limit);
  const last = shown.at(-1);
  const items = shown.map(item);
  return entries.length > limit && last !== undefined ? { items, next: cursorOf(place(last)) } : { items };
}

/** What is wrong with a cursor that we did not make. */
export const FOREIGN_CURSOR = {
  reason: 'invalid_request' as const,
  errors: [{ field: 'cursor', problem: 'is not a `next` of this list' }],
};
