import { basicAuthorization } from './client-credentials.ts';
import { isObject } from './fetch-json.ts';
import { fetchIssuerMetadata } from './issuer-metadata.ts';
import type { Principal } from './principal.ts';
import type { TokenRefusal } from './refusal.ts';
import { subjectTokenOf } from './subject-token.ts';
import { isProtected } from './web-address.ts';

/** An access token of a third-party service, in the name of the user who is calling. */
export type UpstreamToken = Readonly<{
  /** The token itself. Send it to the service alone, never to a client, and do not log it. */
  value: string;
  /** The scopes that it has there. */
  scopes: readonly string[];
  /** Until then it may be used without asking again. */
  expiresAt: Date;
}>;

/**
 * Why there is none:
 * - `revoked`: the caller's own token is not good any more;
 * - `not_connected`: the user has not connected the service for this client, has taken it back, or it reaches further
 *   than the client was granted: the user has to connect the client anew;
 * - `unavailable`: the issuer, or the service behind it, does not answer; or nothing was heard of revocations for so long
 *   that the guard has closed. Ask again after `retryAfterSeconds`, with the same token.
 */
export type UpstreamTokenRefusal =
  | Readonly<{ reason: 'revoked' | 'not_connected' }>
  | Readonly<{ reason: 'unavailable'; retryAfterSeconds: number; cause?: unknown }>;

/** What came of asking for one. */
export type UpstreamTokenResult =
  | Readonly<{ ok: true; token: UpstreamToken }>
  | Readonly<{ ok: false; refusal: UpstreamTokenRefusal }>;

/** Gets a service's token for a principal that this guard let in. */
export type UpstreamTokens = (principal: Principal, upstream: string) => Promise<UpstreamTokenResult>;

/** With what the issuer is asked, and how revocations are heard of. */
export type UpstreamTokenSettings = Readonly<{
  issuer: string;
  clientId: string;
  clientSecret: string;
  fetch: typeof globalThis.fetch;
  now: () => Date;
  /** Judges a principal by what is known of revocations now. */
  judge(principal: Principal): Promise<TokenRefusal | undefined>;
}>;

const TIMEOUT_MS = 20_000;
const RETRY_AFTER_SECONDS = 5;
/** So long before its end a kept token is not handed out any more. */
const MARGIN_MS = 5000;
const KEPT = 10_000;

/**
 * Trades the token of whoever calls for one of the service, as this resource server (RFC 8693). An answer is kept until
 * it expires, for that very token; what was revoked meanwhile is not handed out. Several requests for one at the same
 * time are one.
 *
 * @throws Error when the issuer does not know this resource server, or the principal is none of this guard's
 */
export function createUpstreamTokens(settings: UpstreamTokenSettings): UpstreamTokens {
  const kept = new Map<string, UpstreamToken>();
  const underWay = new Map<string, Promise<UpstreamTokenResult>>();
  const tokenEndpoint = findTokenEndpoint(settings);

  async function ask(principal: Principal, upstream: string): Promise<UpstreamTokenResult> {
    const subjectToken = subjectTokenOf(principal);
    if (subjectToken === undefined) throw new Error('the principal was not made by a guard');
    let response: Response;
    try {
      response = await settings.fetch(await tokenEndpoint(), {
        method: 'POST',
        headers: { accept: 'application/json', authorization: basicAuthorization(settings) },
        body: new URLSearchParams({
          grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
          subject_token: subjectToken,
          subject_token_type: 'urn:ietf:params:oauth:token-type:access_token',
          audience: upstream,
        }),
        redirect: 'manual',
        signal: AbortSignal.timeout(TIMEOUT_MS),
      });
    } catch (cause) {
      return unavailable({ cause });
    }
    return read(response, settings.now());
  }

  function shared(key: string, principal: Principal, upstream: string): Promise<UpstreamTokenResult> {
    const asking =
      underWay.get(key) ??
      ask(principal, upstream)
        .then((result) => {
          if (result.ok) keep(kept, { key, token: result.token, now: settings.now() });
          return result;
        })
        .finally(() => underWay.delete(key));
    underWay.set(key, asking);
    return asking;
  }

  async function endOf(principal: Principal): Promise<TokenRefusal | undefined> {
    return principal.expiresAt <= settings.now() ? { reason: 'expired' } : settings.judge(principal);
  }

  return async (principal, upstream) => {
    const key = JSON.stringify([principal.tokenId, upstream]);
    const result = isUsable(kept.get(key), settings.now()) ?? (await shared(key, principal, upstream));
    // Last, so that what was revoked while somebody waited is not handed out either.
    const ended = await endOf(principal);
    if (ended === undefined) return result;
    // Nobody has said that the caller's token is over: what is kept is for when it can be judged again.
    if ('retryAfterSeconds' in ended) return result.ok ? unavailable(ended) : result;
    kept.delete(key);
    return { ok: false, refusal: { reason: 'revoked' } };
  };
}

function isUsable(token: UpstreamToken | undefined, now: Date): UpstreamTokenResult | undefined {
  return token && token.expiresAt.getTime() - MARGIN_MS > now.getTime() ? { ok: true, token } : undefined;
}

function keep(
  kept: Map<string, UpstreamToken>,
  { key, token, now }: { key: string; token: UpstreamToken; now: Date },
): void {
  if (kept.size >= KEPT) for (const [other, { expiresAt }] of kept) if (expiresAt <= now) kept.delete(other);
  if (kept.size >= KEPT) kept.clear();
  kept.set(key, token);
}

async function read(response: Response, now: Date): Promise<UpstreamTokenResult> {
  const answer: unknown = await response.json().catch(() => undefined);
  if (!isObject(answer)) return unavailable({ cause: new Error(`the issuer answers with status ${response.status}`) });
  const { access_token: value, expires_in: seconds, scope, error } = answer;
  if (response.status === 200 && typeof value === 'string' && typeof seconds === 'number') {
    const scopes = typeof scope === 'string' ? scope.split(' ').filter(Boolean) : [];
    return { ok: true, token: Object.freeze({ value, scopes, expiresAt: new Date(now.getTime() + seconds * 1000) }) };
  }
  switch (error) {
    case 'invalid_target':
      return { ok: false, refusal: { reason: 'not_connected' } };
    case 'invalid_request':
      return { ok: false, refusal: { reason: 'revoked' } };
    case 'invalid_client':
    case 'unauthorized_client':
    case 'unsupported_grant_type':
      throw new Error(`the issuer answers ${error}; check the client of this resource server, and its upstreams`);
    default:
      return unavailable({ cause: new Error(`the issuer answers with status ${response.status}`) });
  }
}

function unavailable({
  cause,
  retryAfterSeconds = RETRY_AFTER_SECONDS,
}: {
  cause?: unknown;
  retryAfterSeconds?: number;
}): UpstreamTokenResult {
  return { ok: false, refusal: { reason: 'unavailable', retryAfterSeconds, cause } };
}

function findTokenEndpoint({ issuer, fetch }: UpstreamTokenSettings): () => Promise<string> {
  let found: Promise<string> | undefined;
  const find = async () => {
    const url = (await fetchIssuerMetadata(issuer, { fetch, timeoutMs: TIMEOUT_MS })).token_endpoint;
    if (typeof url !== 'string' || !URL.canParse(url) || !isProtected(new URL(url)))
      throw new Error('the issuer names no token_endpoint that can be used');
    return url;
  };
  return () => {
    const asking = found ?? find();
    found = asking;
    asking.catch(() => {
      if (found === asking) found = undefined;
    });
    return asking;
  };
}
