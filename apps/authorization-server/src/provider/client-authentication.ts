import { clientSecretMatches, type ReadAuthentication } from '@portcullis/persistence';
import { errors, type KoaContextWithOIDC, type default as Provider } from 'oidc-provider';
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

/** Reads a client together with how often it failed, where the request remembers what it has read. */
export async function readAuthenticatingClient(
  ctx: KoaContextWithOIDC,
  { clientId, limit, read }: { clientId: string; limit: FailureLimit; read: ReadAuthentication },
): Promise<void> {
  await readClientAhead(ctx, read, { clientId, limitKey: limit.storedKey(keyOf(ctx, clientId)) });
}

/** Stops a confidential client before its secret is looked at. */
export async function refuseExhaustedClient(
  ctx: KoaContextWithOIDC,
  { clientId, limit }: { clientId: string; limit: FailureLimit },
): Promise<void> {
  const key = keyOf(ctx, clientId);
  const ahead = counterAhead(ctx, limit.storedKey(key));
  const allowance = ahead ? limit.judge(ahead.counter) : await limit.check(key);
  if (allowance.allowed) return;
  ctx.set('Retry-After', String(allowance.retryAfterSeconds));
  throw new TooManyFailures();
}

/** Counts a failed authentication of a client that exists. */
export async function countFailedAuthentication(ctx: KoaContextWithOIDC, limit: FailureLimit): Promise<void> {
  const clientId = ctx.oidc.entities.Client?.clientId;
  if (clientId !== undefined) await limit.take(keyOf(ctx, clientId));
}

/** Makes the engine compare secrets with the hash that is stored in their place. */
export function compareHashedSecrets(provider: Provider): void {
  provider.Client.prototype.compareClientSecret = async function compareClientSecret(actual: string): Promise<boolean> {
    return clientSecretMatches(this.clientSecret ?? '', actual);
  };
}
