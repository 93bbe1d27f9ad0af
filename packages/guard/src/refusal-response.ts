import { bearerChallenge, dpopChallenge } from './challenge.ts';
import { crossOriginHeaders } from './cross-origin.ts';
import type { GuardSettings } from './options.ts';
import type { Refusal } from './refusal.ts';
import { resourceMetadataUrl } from './resource-metadata.ts';

/** What a refusal looks like on the wire. `scopes` is there when the answer carries a challenge. */
type Answer = {
  status: number;
  description: string;
  error?: string;
  scopes?: readonly string[];
  retryAfterSeconds?: number;
  nonce?: string;
};

/**
 * Turns a refusal into its HTTP answer. All bad tokens get the same words, so that the answer tells nobody how far
 * a forged one came.
 *
 * @see RFC 6750 section 3.1, RFC 9449 section 7.1
 */
export function refusalResponse(refusal: Refusal, request: Request, settings: GuardSettings): Response {
  const answer = answerTo(refusal, settings.baselineScopes);
  const { status, error, description, scopes, retryAfterSeconds, nonce } = answer;
  const headers = new Headers({ 'content-type': 'application/json', 'cache-control': 'no-store' });
  if (scopes !== undefined) headers.set('www-authenticate', challengesFor({ ...answer, scopes }, request, settings));
  if (nonce !== undefined) headers.set('dpop-nonce', nonce);
  if (retryAfterSeconds !== undefined) headers.set('retry-after', String(retryAfterSeconds));
  if (!isForeign(refusal))
    for (const [name, value] of Object.entries(crossOriginHeaders(request))) headers.set(name, value);
  const body = request.method === 'HEAD' ? null : JSON.stringify({ error, error_description: description });
  return new Response(body, { status, headers });
}

/**
 * Who came with the DPoP scheme is answered in it. Everybody else is offered both, `Bearer` first because some
 * clients read no further, unless a bearer token would be refused anyway.
 */
function challengesFor(
  { status, error, description, scopes }: Answer & { scopes: readonly string[] },
  request: Request,
  settings: GuardSettings,
): string {
  const { algorithms, demanded } = settings.possession;
  const parameters = {
    realm: settings.realm,
    error,
    description: error === undefined ? undefined : description,
    scopes,
    resourceMetadataUrl: resourceMetadataUrl(settings.resource),
  };
  const isProven = /^\s*dpop\b/i.test(request.headers.get('authorization') ?? '');
  if (isProven || demanded === 'dpop') return dpopChallenge(algorithms, parameters);
  return status === 401 ? `${bearerChallenge(parameters)}, ${dpopChallenge(algorithms)}` : bearerChallenge(parameters);
}

// A page that may not call us may not read our answer either.
function isForeign(refusal: Refusal): boolean {
  return refusal.reason === 'foreign_host' || refusal.reason === 'foreign_origin';
}

function answerTo(refusal: Refusal, baseline: readonly string[]): Answer {
  switch (refusal.reason) {
    case 'foreign_host':
      return { status: 403, description: 'This server does not answer for that host.' };
    case 'foreign_origin':
      return { status: 403, description: 'This server does not answer pages of that origin.' };
    case 'token_in_query':
      return invalidRequest('An access token must not be part of the URL.', baseline);
    case 'malformed_credentials':
      return invalidRequest('The Authorization header cannot be read.', baseline);
    case 'no_credentials':
      return { status: 401, description: 'An access token is needed.', scopes: baseline };
    case 'keys_unavailable':
    case 'introspection_unavailable':
    case 'revocation_unknown':
      return {
        status: 503,
        error: 'temporarily_unavailable',
        description: 'The access token cannot be checked at the moment.',
        retryAfterSeconds: refusal.retryAfterSeconds,
      };
    case 'unsupported_media_type':
      return { status: 415, description: 'A message must be application/json.' };
    case 'length_required':
      return { status: 411, description: 'A message must announce its length.' };
    case 'body_too_large':
      return { status: 413, description: 'The message is too large.' };
    case 'insufficient_scope': {
      const scopes = [...new Set([...baseline, ...refusal.required])];
      return { status: 403, error: 'insufficient_scope', description: 'More scopes are needed for this.', scopes };
    }
    case 'malformed_token':
    case 'algorithm':
    case 'token_type':
    case 'unknown_key':
    case 'bad_signature':
    case 'foreign_issuer':
    case 'foreign_audience':
    case 'expired':
    case 'not_yet_valid':
    case 'issued_in_future':
    case 'malformed_claims':
    case 'revoked':
    case 'inactive':
      return invalidToken('The access token is not valid for this resource.', baseline);
    case 'bound_token':
      return invalidToken('The access token is bound to a key, and was shown without a proof of it.', baseline);
    case 'unbound_token':
      return invalidToken('The access token is not bound to a key or certificate as it has to be.', baseline);
    case 'foreign_key':
      return invalidToken('The access token is bound to another key.', baseline);
    case 'certificate_missing':
      return invalidToken('The access token is bound to a certificate, and the client showed none.', baseline);
    case 'foreign_certificate':
      return invalidToken('The access token is bound to another certificate.', baseline);
    case 'proof_missing':
      return invalidProof('A DPoP proof is needed with this access token.', baseline);
    case 'proof_malformed':
    case 'proof_algorithm':
    case 'proof_signature':
      return invalidProof('The DPoP proof cannot be verified.', baseline);
    case 'proof_method':
    case 'proof_url':
    case 'proof_token':
      return invalidProof('The DPoP proof was made for another request.', baseline);
    case 'proof_stale':
    case 'proof_in_future':
      return invalidProof('The DPoP proof is too old or from the future. Check the clock.', baseline);
    case 'proof_replayed':
      return invalidProof('The DPoP proof was used before. Make a new one for each request.', baseline);
    case 'nonce_needed':
      return {
        status: 401,
        error: 'use_dpop_nonce',
        description: 'The DPoP proof needs the nonce of this answer.',
        scopes: baseline,
        nonce: refusal.nonce,
      };
    case 'replays_full':
      return {
        status: 503,
        error: 'temporarily_unavailable',
        description: 'The DPoP proof cannot be checked at the moment.',
        retryAfterSeconds: refusal.retryAfterSeconds,
      };
  }
}

function invalidToken(description: string, scopes: readonly string[]): Answer {
  return { status: 401, error: 'invalid_token', description, scopes };
}

function invalidProof(description: string, scopes: readonly string[]): Answer {
  return { status: 401, error: 'invalid_dpop_proof', description, scopes };
}

function invalidRequest(description: string, scopes: readonly string[]): Answer {
  return { status: 400, error: 'invalid_request', description, scopes };
}
