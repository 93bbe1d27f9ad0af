import type { AuditEvent, AuditSink, Clock } from '@portcullis/platform';
import type { KoaContextWithOIDC, default as Provider } from 'oidc-provider';
import { requestContext } from '../http/request-context.ts';

type Detail = Pick<AuditEvent, 'type' | 'outcome'> & Partial<AuditEvent>;

/** What the listeners need. */
export type AuditEventsOptions = {
  audit: AuditSink;
  clock: Clock;
  onClientAuthenticationFailed(ctx: KoaContextWithOIDC): Promise<void>;
  /** The client led to a code or a token. */
  onClientUsed(clientId: string): Promise<void>;
};

/**
 * Writes the engine's events into the audit trail. The engine calls its listeners synchronously and must never see
 * them throw, so each write joins the work that has to be done before the answer leaves.
 */
export function recordEngineEvents(
  provider: Provider,
  { audit, clock, onClientAuthenticationFailed, onClientUsed }: AuditEventsOptions,
): void {
  const noteUse = (ctx: KoaContextWithOIDC) => {
    const clientId = ctx.oidc.entities.Client?.clientId;
    if (clientId !== undefined) defer(ctx, onClientUsed(clientId));
  };
  const record = (ctx: KoaContextWithOIDC, detail: Detail) => {
    const { address, correlationId } = requestContext(ctx);
    defer(ctx, audit.record({ time: clock(), address, correlationId, ...parties(ctx), ...detail }));
  };

  provider.on('authorization.success', (ctx) => {
    record(ctx, { type: 'code.issued', outcome: 'success' });
    noteUse(ctx);
  });
  provider.on('grant.success', (ctx) => {
    const refreshed = ctx.oidc.params?.grant_type === 'refresh_token';
    record(ctx, { type: refreshed ? 'token.refreshed' : 'token.issued', outcome: 'success' });
    noteUse(ctx);
  });
  provider.on('grant.error', (ctx, error) => {
    const unauthenticated = error.message === 'invalid_client';
    record(ctx, {
      type: unauthenticated ? 'client.authentication_failed' : 'token.refused',
      outcome: 'denied',
      detail: { error: error.message },
    });
    if (unauthenticated) defer(ctx, onClientAuthenticationFailed(ctx));
  });
  const refusedElsewhere = (ctx: KoaContextWithOIDC, error: Error) => {
    if (error.message !== 'invalid_client') return;
    record(ctx, { type: 'client.authentication_failed', outcome: 'denied', detail: { error: error.message } });
    defer(ctx, onClientAuthenticationFailed(ctx));
  };
  provider.on('introspection.error', refusedElsewhere);
  provider.on('revocation.error', refusedElsewhere);
  provider.on('grant.revoked', (ctx, grantId) => {
    const reused = ctx.oidc.route === 'token';
    record(ctx, {
      type: reused ? 'token.reuse_detected' : 'grant.revoked',
      outcome: reused ? 'denied' : 'success',
      detail: { grantId },
    });
  });
}

function parties({ oidc }: KoaContextWithOIDC): Partial<AuditEvent> {
  const subject = oidc.entities.Account?.accountId ?? oidc.session?.accountId ?? oidc.entities.Grant?.accountId;
  const client = oidc.entities.Client?.clientId;
  const grantId = oidc.entities.Grant?.jti;
  const resource: unknown = oidc.params?.resource;
  const scope: unknown = oidc.params?.scope;
  return {
    ...(subject !== undefined && { subject }),
    ...(client !== undefined && { client }),
    ...(typeof resource === 'string' && { resource }),
    detail: { ...(grantId && { grantId }), ...(typeof scope === 'string' && { scope }) },
  };
}

/** Adds work to a request; a failure is kept as a value until {@link settlePending} looks at it. */
function defer(ctx: KoaContextWithOIDC, work: Promise<void>): void {
  requestContext(ctx).pending.push(
    work.then(
      () => undefined,
      (cause: unknown) => ({ cause }),
    ),
  );
}

/** Waits for a request's deferred work. @throws the first fault, so that nothing is answered that was not recorded. */
export async function settlePending(ctx: KoaContextWithOIDC): Promise<void> {
  const { pending } = requestContext(ctx);
  for (const outcome of await Promise.all(pending.splice(0))) {
    if (typeof outcome === 'object' && outcome !== null && 'cause' in outcome) throw outcome.cause;
  }
}
