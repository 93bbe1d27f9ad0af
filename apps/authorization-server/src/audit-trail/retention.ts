import { z } from 'zod';

const DAY_MS = 24 * 3600 * 1000;

/** The part of the configuration file that concerns the audit trail. */
export const auditSchema = z
  .strictObject({
    keepDays: z
      .int()
      .min(1)
      .max(36_500)
      .nullable()
      .default(null)
      .describe('After how many days records are moved out of the database into files; null for never.'),
  })
  .describe('The audit trail.');

/** What is settled about the audit trail. */
export type AuditPolicy = z.infer<typeof auditSchema>;

/** Records older than this are moved out; undefined where all are kept. */
export function moveOutBefore({ keepDays }: AuditPolicy, now: Date): Date | undefined {
  return keepDays === null ? undefined : new Date(now.getTime() - keepDays * DAY_MS);
}

/** Whether it is worth a file yet: the oldest record has been due for a day. */
export function isDue(oldest: Date, before: Date): boolean {
  return oldest.getTime() <= before.getTime() - DAY_MS;
}

/** No file has more records. */
export const SEGMENT_RECORDS = 50_000;
