import type { IncomingMessage } from 'node:http';
import { clientSecretMatches, type ReadAuthentication } from '@portcullis/persistence';
import { errors, type KoaContextWithOIDC, Provider } from 'oidc-provider';
import type { Attempt, Attempts } from '../http/attempts.ts';
import { type FailureLimit, networkOf } from '../http/failure-limit.ts';
import { requestContext } from '../http/request-context.ts';
import { counterAhead, readClientAhead } from './request-reads.ts';

/** How many failed authentications one client may have from one network, in how long (SP-39a). */
export const CLIENT_AUTHENTICATION_LIMIT = { name: 'client-authentication', failures: 20, windowSeconds: 900 } as const;

/** Refuses a client that failed too often from this network, in the shape of an OAuth error. */
class TooManyFailures extends errors.CustomOIDCProviderError {
  constructor() {
    super('temporarily_unavailable', 'too many failed client authentications; wait before the next try');
    Object.assign(this, { status: 429, statusCode: 429 });
  }
}

/** The limit's key: a stranger's failures elsewhere never count against the client. */
function keyOf(ctx: KoaContextWithOIDC, clientId: string): string {
  return `${clientId} ${networkOf(requestContext(ctx).address)}`;
}

const attempts = new WeakMap<IncomingMessage, { key: string; attempt: Attempt }>();

/** Begins to count a client that is about to authenticate, before its counter is read. */
export function beginAuthentication(ctx: KoaContextWithOIDC, clientId: string, { begin }: Attempts): void {
  if (attempts.has(ctx.req)) return;
  const key = keyOf(ctx, clientId);
  attempts.set(ctx.req, { key, attempt: begin(key) });
}

/** Reads a client together with how often it failed, where the request remembers what it has read. */
export async function readAuthenticatingClient(
  ctx: KoaContextWithOIDC,
  { clientId, limit, read }: { clientId: string; limit: FailureLimit; read: ReadAuthentication },
): Promise<void> {
  await readClientAhead(ctx, read, { clientId, limitKey: limit.storedKey(keyOf(ctx, clientId)) });
}

/**
 * Stops a confidential client before its secret is looked at. It waits while others who authenticate as this client, from
 * this network, could use up the failures that are left.
 */
export async function refuseExhaustedClient(
  ctx: KoaContextWithOIDC,
  { clientId, limit }: { clientId: string; limit: FailureLimit },
): Promise<void> {
  const key = keyOf(ctx, clientId);
  const begun = attempts.get(ctx.req);
  // Other clients that a request looks up do not authenticate with it.
  if (begun?.key !== key) return;
  const allowance = await begun.attempt.admit(counterAhead(ctx, limit.storedKey(key)));
  if (allowance.allowed) return;
  ctx.set('Retry-After', String(allowance.retryAfterSeconds));
  throw new TooManyFailures();
}

/** Counts a failed authentication of a client that exists. */
export async function countFailedAuthentication(ctx: KoaContextWithOIDC): Promise<void> {
  if (ctx.oidc.entities.Client) await attempts.get(ctx.req)?.attempt.failed();
}

/** Ends what was begun for a request, whatever became of it. */
export async function endingAuthentication(ctx: KoaContextWithOIDC, next: () => Promise<void>): Promise<void> {
  try {
    await next();
  } finally {
    attempts.get(ctx.req)?.attempt.end();
  }
}

/** Makes the engine compare secrets with the hash that is stored in their place. */
export function compareHashedSecrets(provider: Provider): void {
  provider.Client.prototype.compareClientSecret = async function compareClientSecret(actual: string): Promise<boolean> {
    const matches = clientSecretMatches(this.clientSecret ?? '', actual);
    const request = Provider.ctx?.req;
    if (matches && request) attempts.get(request)?.attempt.passed();
    return matches;
  };
}
