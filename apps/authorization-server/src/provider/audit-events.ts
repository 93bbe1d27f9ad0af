import type { IncomingMessage } from 'node:http';
import type { AuditEvent, AuditSink, Clock } from '@portcullis/platform';
import type { KoaContextWithOIDC, default as Provider } from 'oidc-provider';
import { requestContext } from '../http/request-context.ts';
import type { TokenMetrics } from '../metrics.ts';
import { raiseAnomaly } from '../redemption/anomaly.ts';
import { redemptionOf } from '../redemption/redemption.ts';
import { TOKEN_EXCHANGE } from './token-exchange.ts';
import type { TokenRefusals } from './token-refusals.ts';

type Detail = Pick<AuditEvent, 'type' | 'outcome'> & Partial<AuditEvent>;

/** What the listeners need. */
export type AuditEventsOptions = {
  audit: AuditSink;
  /** What is written of refusals: anybody can cause as many as they like. */
  refusals: TokenRefusals;
  metrics: TokenMetrics;
  clock: Clock;
  onClientAuthenticationFailed(ctx: KoaContextWithOIDC): Promise<void>;
  /** The client led to a code or a token. */
  onClientUsed(clientId: string): Promise<void>;
  /** The grant led to a token, and nothing was redeemed for it. */
  onGrantUsed(grantId: string): Promise<void>;
};

/**
 * Writes the engine's events into the audit trail. The engine calls its listeners synchronously and must never see
 * them throw, so each write joins the work that has to be done before the answer leaves.
 */
export function recordEngineEvents(
  provider: Provider,
  { audit, refusals, metrics, clock, onClientAuthenticationFailed, onClientUsed, onGrantUsed }: AuditEventsOptions,
): void {
  const noteUse = (ctx: KoaContextWithOIDC) => {
    const clientId = ctx.oidc.entities.Client?.clientId;
    if (clientId !== undefined) defer(ctx, onClientUsed(clientId));
  };
  const eventOf = (ctx: KoaContextWithOIDC, detail: Detail): AuditEvent => {
    const { address, correlationId } = requestContext(ctx);
    const event = { time: clock(), address, correlationId, ...parties(ctx), ...detail };
    return { ...event, detail: { ...event.detail, ...notes.get(ctx.req) } };
  };
  const record = (ctx: KoaContextWithOIDC, detail: Detail, sink: Pick<AuditSink, 'record'> = audit) =>
    defer(ctx, sink.record(eventOf(ctx, detail)));

  provider.on('authorization.success', (ctx) => {
    record(ctx, { type: 'code.issued', outcome: 'success' });
    noteUse(ctx);
  });
  provider.on('grant.success', (ctx) => {
    // An exchange is recorded by whoever does it: nothing of ours was issued.
    if (ctx.oidc.params?.grant_type === TOKEN_EXCHANGE) return;
    const refreshed = ctx.oidc.params?.grant_type === 'refresh_token';
    const event = eventOf(ctx, { type: refreshed ? 'token.refreshed' : 'token.issued', outcome: 'success' });
    const redemption = redemptionOf(ctx);
    noteUse(ctx);
    // What is redeemed, what is recorded of it, and that its grant was used are one write.
    if (redemption?.consumed) {
      redemption.event = event;
      return;
    }
    defer(ctx, audit.record(event));
    const grantId = ctx.oidc.entities.Grant?.jti;
    if (grantId !== undefined) defer(ctx, onGrantUsed(grantId));
  });
  provider.on('grant.error', (ctx, error) => {
    const unauthenticated = error.message === 'invalid_client';
    const type = unauthenticated ? 'client.authentication_failed' : 'token.refused';
    record(ctx, { type, outcome: 'denied', detail: { error: error.message } }, refusals);
    if (unauthenticated) defer(ctx, onClientAuthenticationFailed(ctx));
  });
  const refusedElsewhere = (ctx: KoaContextWithOIDC, error: Error) => {
    if (error.message !== 'invalid_client') return;
    const failure = {
      type: 'client.authentication_failed',
      outcome: 'denied',
      detail: { error: error.message },
    } as const;
    record(ctx, failure, refusals);
    defer(ctx, onClientAuthenticationFailed(ctx));
  };
  provider.on('introspection.error', refusedElsewhere);
  provider.on('revocation.error', refusedElsewhere);
  provider.on('grant.revoked', (ctx, grantId) => {
    const reused = ctx.oidc.route === 'token';
    if (reused) {
      const kind = ctx.oidc.params?.grant_type === 'refresh_token' ? 'refresh_token' : 'code';
      metrics.reused(kind);
      const event = eventOf(ctx, { type: 'anomaly.raised', outcome: 'denied', detail: { grantId } });
      defer(ctx, raiseAnomaly({ audit, metrics }, { ...event, kind: `${kind}_reuse` }));
    }
    record(ctx, {
      type: reused ? 'token.reuse_detected' : 'grant.revoked',
      outcome: reused ? 'denied' : 'success',
      detail: { grantId },
    });
  });
}

const notes = new WeakMap<IncomingMessage, Readonly<Record<string, string>>>();

/** Adds to what is recorded of a request at the token endpoint, whatever becomes of it. Never a secret. */
export function noteForAudit({ req }: { req: IncomingMessage }, detail: Readonly<Record<string, string>>): void {
  notes.set(req, { ...notes.get(req), ...detail });
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
export function defer(ctx: KoaContextWithOIDC, work: Promise<void>): void {
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
