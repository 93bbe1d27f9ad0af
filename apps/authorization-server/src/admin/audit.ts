import type { AuditChain, AuditLog, SigningKeyStore } from '@portcullis/persistence';
import { z } from 'zod';
import type { ChainStatement } from '../audit-trail/statement.ts';
import { type AdminHandlers, refuse } from './handler.ts';
import { FOREIGN_CURSOR, pageOf, placeOf, placeText } from './page-cursor.ts';

/** The audit trail: what was recorded, its chain, and signatures about that. */
export type AuditTrail = { log: AuditLog; chain: AuditChain; sign(statement: ChainStatement): Promise<string> };

const KEYS_LIMIT = 1000;

/** The operations on the audit trail. */
export function auditHandlers(
  { log, chain, sign }: AuditTrail,
  keys: SigningKeyStore,
): AdminHandlers<'searchAudit' | 'exportAudit'> {
  return {
    async searchAudit({ query: { cursor, limit, since, until, ...filter } }) {
      const before = cursor === undefined ? undefined : placeOf(cursor, placeText);
      if (cursor !== undefined && before === undefined) return refuse(FOREIGN_CURSOR);
      const given = Object.fromEntries(Object.entries(filter).filter(([, value]) => value !== undefined));
      const events = await log.list({
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
    async exportAudit({ query: { cursor, limit, after } }) {
      const place = cursor === undefined ? after : placeOf(cursor, z.int());
      if (place === undefined) return refuse(FOREIGN_CURSOR);
      const records = await chain.list({ after: place, limit: limit + 1 });
      const page = pageOf(records, { limit, place: ({ seq }) => seq, item: (record) => ({ ...record }) });
      const segment = cursor === undefined ? await chain.lastSegment() : undefined;
      const last = page.next === undefined ? page.items.at(-1) : undefined;
      return {
        ok: true,
        answer: {
          ...page,
          ...(segment && { segment: segment.statement }),
          ...(last && { anchor: await sign({ seq: last.seq, hash: last.hash }) }),
          unsealed: await chain.unsealed(),
          signingKeys: (await keys.list({ limit: KEYS_LIMIT })).map(({ kid }) => kid),
        },
      };
    },
  };
}
