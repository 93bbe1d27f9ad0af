import { z } from 'zod';

/**
 * Names the place in a list where the next page begins. It grants nothing: each page is judged by the token of its own request,
 * so a cursor that somebody made up leads to no more than a search would.
 */
export const pageCursorSchema = z
  .string()
  .regex(/^before-[1-9]\d{0,8}$/)
  .describe('nextCursor of the answer before this one.');

/** The cursor for what comes after the entry with this number, in a list with the newest first. */
export function pageCursor(lastId: number): string {
  return `before-${lastId}`;
}

/** The number behind a cursor that {@link pageCursorSchema} accepted. */
export function beforeId(cursor: string): number {
  return Number(cursor.slice('before-'.length));
}
