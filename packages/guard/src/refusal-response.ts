import { bearerChallenge } from './challenge.ts';
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
};

/**
 * Turns a refusal into its HTTP answer. All bad tokens get the same words, so that the answer tells nobody how far
 * a forged one came.
 *
 * @see RFC 6750 section 3.1
 */
export function refusalResponse(refusal: Refusal, request: Request, settings: GuardSettings): Response {
  const answer = answerTo(refusal, settings.baselineScopes);
  const { status, error, description, scopes, retryAfterSeconds } = answer;
  const headers = new Headers({ 'content-type': 'application/json', 'cache-control': 'no-store' });
  if (scopes !== undefined) headers.set('www-authenticate', challengeFor(answer, scopes, settings));
  if (retryAfterSeconds !== undefined) headers.set('retry-after', String(retryAfterSeconds));
  if (!isForeign(refusal))
    for (const [name, value] of Object.entries(crossOriginHeaders(request))) headers.set(name, value);
  const body = request.method === 'HEAD' ? null : JSON.stringify({ error, error_description: description });
  return new Response(body, { status, headers });
}

function challengeFor({ error, description }: Answer, scopes: readonly string[], settings: GuardSettings): string {
  return bearerChallenge({
    realm: settings.realm,
    error,
    description: error === undefined ? undefined : description,
    scopes,
    resourceMetadataUrl: resourceMetadataUrl(settings.resource),
  });
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
    case 'bound_token': {
      const description = 'The access token is not valid for this resource.';
      return { status: 401, error: 'invalid_token', description, scopes: baseline };
    }
  }
}

function invalidRequest(description: string, scopes: readonly string[]): Answer {
  return { status: 400, error: 'invalid_request', description, scopes };
}
