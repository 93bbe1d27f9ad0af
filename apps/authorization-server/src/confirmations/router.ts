import Router from '@koa/router';
import { requestContext } from '../http/request-context.ts';
import { acceptJson, jsonBodyOf } from '../registration/request-body.ts';
import { authenticateResourceServer, type ResourceServerDeps } from '../revocation/resource-server-caller.ts';
import { pageUrl, type Site } from '../site.ts';
import { readConfirmableCall } from './confirmable-call.ts';
import type { Confirmations } from './confirmations.ts';

/** What the route works with. */
export type ConfirmationRouterDeps = ResourceServerDeps & { confirmations: Confirmations; site: Site };

/**
 * `POST /internal/confirmations`: the server of a resource tells of a call that needs its user's word, and hears whether
 * it has that, once, or where the user is asked. It never says who the user is: that follows from the grant.
 */
export function confirmationRouter(deps: ConfirmationRouterDeps): Router {
  const router = new Router({ strict: true, sensitive: true });
  router.post('/internal/confirmations', acceptJson(), async (ctx) => {
    ctx.set('Cache-Control', 'no-store');
    const caller = await authenticateResourceServer(ctx, deps);
    if (!caller) return;
    const body = jsonBodyOf(ctx);
    const call = body.ok ? readConfirmableCall(body.body) : undefined;
    if (!call) {
      ctx.status = 400;
      ctx.body = { error: 'invalid_request', error_description: body.ok ? FORM : body.description };
      return;
    }
    const { address, correlationId } = requestContext(ctx);
    const answer = await deps.confirmations.useOrAsk(caller.resource, call, { address, correlationId });
    ctx.body =
      answer.status === 'pending'
        ? { status: answer.status, url: confirmationUrl(deps.site, answer.handle), expires_at: answer.expiresAt }
        : answer;
  });
  return router;
}

const FORM = 'send subject, clientId and grantId of the token, tool (name and title) and arguments of the call';

function confirmationUrl(site: Site, handle: string): string {
  return pageUrl(site, `/account/confirmations/${handle}`);
}
