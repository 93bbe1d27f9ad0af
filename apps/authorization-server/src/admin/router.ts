import { bodyParser } from '@koa/bodyparser';
import Router from '@koa/router';
import {
  ADMIN_API_PATH,
  ADMIN_OPERATIONS,
  type AdminOperation,
  type AdminOperationName,
  type AdminRequest,
  type Clock,
  type Logger,
} from '@portcullis/platform';
import type { Context, Middleware } from 'koa';
import { requestContext } from '../http/request-context.ts';
import type { PersonRefusals } from '../provider/token-refusals.ts';
import type { Site } from '../site.ts';
import { ADMIN_REALM, type AdminGuard } from './admin-guard.ts';
import { type Administrator, type AdministratorDeps, currentAdministrator } from './administrator.ts';
import type { AdminCall, AdminHandlers } from './handler.ts';
import { openApiDocument } from './open-api.ts';
import { inPlainWords } from './plain-words.ts';
import { type AdminRefusal, type FieldProblem, sendFault, sendRefusal } from './problem.ts';

/** What the admin API needs. */
export type AdminRouterDeps = AdministratorDeps & {
  site: Site;
  guard: AdminGuard;
  handlers: AdminHandlers;
  /** Takes what administrators are refused. */
  refusals: PersonRefusals;
  clock: Clock;
  log: Logger;
};

const BODY_LIMIT = '64kb';

/** The admin API: one route for each operation of the contract. Everything but its own description needs a token. */
export function adminRouter(deps: AdminRouterDeps): Router {
  const router = new Router({ prefix: ADMIN_API_PATH });
  let description: object | undefined;
  router.get('/openapi.json', (ctx) => {
    // Made for the first who asks: it would be a tenth of the work of a start, and few are ever asked.
    description ??= openApiDocument(deps.site);
    ctx.body = description;
  });
  router.use(problemBoundary(deps.log));
  router.use(bodyParser({ enableTypes: ['json'], jsonLimit: BODY_LIMIT }));
  for (const name of operationNames()) mount(router, name, deps);
  return router;
}

/** The protected-resource metadata of the admin API, at the path-inserted URL only: the root is not ours to claim. */
export function adminMetadata(guard: AdminGuard): Middleware {
  const path = new URL(guard.resourceMetadataUrl).pathname;
  return async (ctx, next) => {
    // The web knows no request of the method TRACE.
    const isAsked = ctx.path === path && ctx.method !== 'TRACE';
    const response = isAsked ? guard.metadata(webRequest(ctx, new URL(guard.resource).origin)) : undefined;
    if (!response) return next();
    ctx.status = response.status;
    ctx.set(Object.fromEntries(response.headers));
    ctx.body = Buffer.from(await response.arrayBuffer());
  };
}

function operationNames(): AdminOperationName[] {
  return Object.keys(ADMIN_OPERATIONS) as AdminOperationName[];
}

function mount<Name extends AdminOperationName>(router: Router, name: Name, deps: AdminRouterDeps): void {
  const operation: AdminOperation = ADMIN_OPERATIONS[name];
  const path = operation.path.replaceAll(/\{(\w+)\}/g, ':$1');
  router.register(path, [operation.method], async (ctx: Context) => {
    const by = await admit(ctx, operation, deps);
    if (!by) return;
    if (Object.values(ctx.params).some((value) => /\p{Cc}/u.test(String(value)))) {
      return turnDown(ctx, { deps, name, by, refusal: { reason: 'not_found', what: 'such thing' } });
    }
    const request = readRequest<Name>(ctx, operation);
    if (!request.ok) return turnDown(ctx, { deps, name, by, refusal: request.refusal });
    const { address, correlationId } = requestContext(ctx);
    const call: AdminCall<Name> = {
      ...request.value,
      params: ctx.params,
      by,
      now: deps.clock(),
      address,
      correlationId,
    };
    const outcome = await deps.handlers[name](call);
    if (!outcome.ok) return turnDown(ctx, { deps, name, by, refusal: outcome.refusal });
    ctx.status = operation.status;
    ctx.set('Cache-Control', 'no-store');
    ctx.body = outcome.answer;
  });
}

/** Lets an administrator in who has the scope; answers everybody else. */
async function admit(
  ctx: Context,
  operation: AdminOperation,
  deps: AdminRouterDeps,
): Promise<Administrator | undefined> {
  const { guard, site } = deps;
  const request = webRequest(ctx, site.origin);
  const authentication = await guard.authenticate(request);
  if (!authentication.ok) {
    challenge(ctx, authentication.response);
    return undefined;
  }
  const by = await currentAdministrator(authentication.principal, { deps, now: deps.clock() });
  if (!by) {
    const detail = 'What this access token stands for was revoked. Sign in again.';
    const metadata = `resource_metadata="${guard.resourceMetadataUrl}"`;
    ctx.set('WWW-Authenticate', `Bearer realm="${ADMIN_REALM}", error="invalid_token", ${metadata}`);
    sendRefusal(ctx, { reason: 'unauthorized', status: 401, detail });
    return undefined;
  }
  const { scope } = operation;
  if (scope === 'any' ? by.scopes.length > 0 : by.scopes.includes(scope)) return by;
  const required = scope === 'any' ? [] : [scope];
  ctx.set(
    'WWW-Authenticate',
    guard.insufficientScope({ request, required }).headers.get('www-authenticate') ?? 'Bearer',
  );
  const refusal = { reason: 'insufficient_scope', scope, isMachine: by.kind === 'client' } as const;
  await turnDown(ctx, { deps, name: operation.path, by, refusal });
  return undefined;
}

function challenge(ctx: Context, response: Response): void {
  const header = response.headers.get('www-authenticate');
  if (header !== null) ctx.set('WWW-Authenticate', header);
  const detail = 'Send an access token that this server issued for its admin API; it has expired or is not one.';
  sendRefusal(ctx, { reason: 'unauthorized', status: response.status, detail });
}

type TurnDown = { deps: AdminRouterDeps; name: string; by: Administrator; refusal: AdminRefusal };

/** Records what an administrator was refused, then says so. */
async function turnDown(ctx: Context, { deps, name, by, refusal }: TurnDown): Promise<void> {
  const { address, correlationId } = requestContext(ctx);
  await deps.refusals.record({
    time: deps.clock(),
    type: 'admin.refused',
    outcome: 'denied',
    subject: by.subject,
    client: by.clientId,
    address,
    correlationId,
    detail: { operation: name, reason: refusal.reason },
  });
  sendRefusal(ctx, refusal);
}

type Reading<Value> = { ok: true; value: Value } | { ok: false; refusal: AdminRefusal };

function readRequest<Name extends AdminOperationName>(
  ctx: Context,
  operation: AdminOperation,
): Reading<AdminRequest<Name>> {
  const query = operation.query.safeParse({ ...ctx.query }, { error: inPlainWords });
  const body = operation.body.safeParse(ctx.request.body ?? {}, { error: inPlainWords });
  if (query.success && body.success) {
    return { ok: true, value: { query: query.data, body: body.data } as AdminRequest<Name> };
  }
  const issues = [...(query.error?.issues ?? []), ...(body.error?.issues ?? [])];
  return { ok: false, refusal: { reason: 'invalid_request', errors: issues.map(fieldProblem) } };
}

function fieldProblem({ path, message }: { path: PropertyKey[]; message: string }): FieldProblem {
  return { field: path.map(String).join('.') || 'request', problem: message };
}

function webRequest(ctx: Context, origin: string): Request {
  const headers = Object.entries(ctx.headers).flatMap(([name, value]): [string, string][] =>
    [value ?? []].flat().map((entry) => [name, entry]),
  );
  return new Request(`${origin}${ctx.originalUrl}`, { method: ctx.method, headers });
}

/** Programs read these answers: no page, whatever happens. */
function problemBoundary(log: Logger): Middleware {
  return async (ctx, next) => {
    try {
      await next();
    } catch (cause) {
      const status: unknown = cause instanceof Error && 'status' in cause ? cause.status : undefined;
      if (typeof status === 'number' && status >= 400 && status < 500) {
        sendRefusal(ctx, {
          reason: 'invalid_request',
          errors: [{ field: 'body', problem: 'is no JSON, or too large' }],
        });
        return;
      }
      log.error({ err: cause, correlationId: requestContext(ctx).correlationId }, 'administration failed');
      sendFault(ctx);
    }
  };
}
