import { bodyParser } from '@koa/bodyparser';
import Router from '@koa/router';
import { createAuditLog, type Database } from '@portcullis/persistence';
import { AUDIT_REPORT_LIMITS, AUDIT_REPORT_PATH, auditReport } from '@portcullis/platform';
import { authenticateResourceServer, type ResourceServerDeps } from '../revocation/resource-server-caller.ts';
import { reportedEvent } from './reported-event.ts';

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
    const now = deps.clock();
    const read = report.data.records.map((record) => reportedEvent(record, { ...sender, now }));
    const events = read.filter((event) => event !== undefined);
    await log.recordOnce(events);
    ctx.set('Cache-Control', 'no-store');
    ctx.body = { stored: events.length, refused: read.flatMap((event, i) => (event ? [] : [i])) };
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
