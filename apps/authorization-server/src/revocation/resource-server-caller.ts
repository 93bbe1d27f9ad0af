import type { ClientStore } from '@portcullis/persistence';
import type { AuditSink, Clock } from '@portcullis/platform';
import type { Context } from 'koa';
import type { Attempt, Attempts } from '../http/attempts.ts';
import { networkOf } from '../http/failure-limit.ts';
import { requestContext } from '../http/request-context.ts';
import { basicCredentials, type ClientCredentials, resourceOf } from './resource-server.ts';

/** The server of a resource, as it has just authenticated. */
export type ResourceServer = ClientCredentials & { resource: string };

/** What authenticating it needs. */
export type ResourceServerDeps = { clients: ClientStore; clock: Clock; authentications: Attempts; audit: AuditSink };

/** The server of a resource that sends this request; for everybody else the refusal is on its way, and undefined comes. */
export async function authenticateResourceServer(
  ctx: Context,
  deps: ResourceServerDeps,
): Promise<ResourceServer | undefined> {
  const credentials = basicCredentials(ctx.get('authorization'));
  if (!credentials) return void refuse(ctx);
  // Counted as at the token endpoint, by client and network: a stranger's failures elsewhere never count against it.
  const attempt = deps.authentications.begin(`${credentials.id} ${networkOf(requestContext(ctx).address)}`);
  try {
    return await judge(ctx, credentials, { ...deps, attempt });
  } finally {
    attempt.end();
  }
}

async function judge(
  ctx: Context,
  credentials: ClientCredentials,
  { attempt, ...deps }: ResourceServerDeps & { attempt: Attempt },
): Promise<ResourceServer | undefined> {
  const allowance = await attempt.admit();
  if (!allowance.allowed) return void tooManyFailures(ctx, allowance.retryAfterSeconds);
  const resource = await resourceOf(credentials, deps);
  if (resource !== undefined) return { ...credentials, resource };
  const client = await deps.clients.find({ id: credentials.id, now: deps.clock() });
  if (client) {
    await attempt.failed();
    const { address, correlationId } = requestContext(ctx);
    const event = { type: 'client.authentication_failed', outcome: 'denied' } as const;
    await deps.audit.record({ ...event, time: deps.clock(), client: client.id, address, correlationId });
  }
  return void refuse(ctx);
}

function refuse(ctx: Context): void {
  ctx.status = 401;
  ctx.set('WWW-Authenticate', 'Basic realm="resource servers", charset="UTF-8"');
  ctx.body = {
    error: 'invalid_client',
    error_description: 'send the id and secret of the client that is the server of a resource (HTTP Basic)',
  };
}

function tooManyFailures(ctx: Context, retryAfterSeconds: number): void {
  ctx.status = 429;
  ctx.set('Retry-After', String(retryAfterSeconds));
  ctx.body = {
    error: 'temporarily_unavailable',
    error_description: 'too many failed client authentications; wait before the next try',
  };
}
