import { bodyParser } from '@koa/bodyparser';
import Router from '@koa/router';
import { createAuditLog, type Database } from '@portcullis/persistence';
import {
  AUDIT_REPORT_LIMITS,
  AUDIT_REPORT_PATH,
  type AuditEvent,
  auditReport,
  type ReportedAuditRecord,
  reportedAuditRecord,
} from '@portcullis/platform';
import { authenticateResourceServer, type ResourceServerDeps } from '../revocation/resource-server-caller.ts';

/** What the route works with. */
export type AuditReportDeps = ResourceServerDeps & { database: Database };

/**
 * `POST /internal/audit`: takes audit records from the server of a resource, about that resource and no other. It
 * answers once they are stored. A record that was stored before is not stored again, whatever it says now.
 */
export function auditReportRouter(deps: AuditReportDeps): Router {
  const log = createAuditLog(deps.database);
  const router = new Router({ strict: true, sensitive: true });
  const readBody = bodyParser({
    // As text: the parser's own JSON refuses a body for a member's name that a caller of a tool may have chosen.
    enableTypes: ['text'],
    extendTypes: { text: ['application/json'] },
    textLimit: AUDIT_REPORT_LIMITS.bodyBytes,
    onError: (_cause, ctx) => {
      ctx.request.body = undefined;
    },
  });
  router.post(AUDIT_REPORT_PATH, async (ctx) => {
    const sender = await authenticateResourceServer(ctx, deps);
    if (!sender) return;
    await readBody(ctx, async () => {});
    const report = auditReport.safeParse(readJson(ctx.request.body));
    if (!report.success) {
      ctx.status = 400;
      ctx.body = {
        error: 'invalid_request',
        error_description: 'the body must hold `resource` and up to 100 `records`',
      };
      return;
    }
    if (report.data.resource !== sender.resource) {
      ctx.status = 403;
      ctx.body = { error: 'access_denied', error_description: 'this client is not the server of that resource' };
      return;
    }
    const records = report.data.records.map(readRecord);
    const events = records.flatMap((record) => (record ? [eventOf(record, { ...sender, now: deps.clock() })] : []));
    await log.recordOnce(events);
    ctx.set('Cache-Control', 'no-store');
    ctx.body = { stored: events.length, refused: records.flatMap((record, i) => (record ? [] : [i])) };
  });
  return router;
}

function readJson(body: unknown): unknown {
  try {
    return typeof body === 'string' ? JSON.parse(body) : undefined;
  } catch {
    return undefined;
  }
}

function readRecord(value: unknown): ReportedAuditRecord | undefined {
  if (Buffer.byteLength(JSON.stringify(value)) > AUDIT_REPORT_LIMITS.recordBytes) return undefined;
  return reportedAuditRecord.safeParse(value).data;
}

/** A clock that is ahead must not put records before those that are still to come. */
function eventOf(
  { time, ...record }: ReportedAuditRecord,
  { resource, now }: { resource: string; now: Date },
): AuditEvent & { id: string } {
  const claimed = new Date(time);
  return { ...record, time: claimed > now ? now : claimed, resource };
}
