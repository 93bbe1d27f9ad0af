import type { AuditLog } from '@portcullis/persistence';
import { z } from 'zod';
import { type AdminHandlers, refuse } from './handler.ts';
import { FOREIGN_CURSOR, pageOf, placeOf } from './page-cursor.ts';

/** The operations on the audit trail. */
export function auditHandlers(audit: AuditLog): AdminHandlers<'searchAudit'> {
  return {
    async searchAudit({ query: { cursor, limit, since, until, ...filter } }) {
      const before = cursor === undefined ? undefined : placeOf(cursor, z.string());
      if (cursor !== undefined && before === undefined) return refuse(FOREIGN_CURSOR);
      const given = Object.fromEntries(Object.entries(filter).filter(([, value]) => value !== undefined));
      const events = await audit.list({
        ...given,
        ...(since !== undefined && { since: new Date(since) }),
        ...(until !== undefined && { until: new Date(until) }),
        ...(before !== undefined && { before }),
        limit: limit + 1,
      });
      const item = ({ time, ...event }: (typeof events)[number]) => ({
        ...event,
        time: time.toISOString(),
        ...(event.arguments && { arguments: { ...event.arguments } }),
        ...(event.detail && { detail: { ...event.detail } }),
      });
      return { ok: true, answer: pageOf(events, { limit, place: ({ id }) => id, item }) };
    },
  };
}
