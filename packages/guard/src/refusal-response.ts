import { bearerChallenge, dpopChallenge } from './challenge.ts';
import { crossOriginHeaders } from './cross-origin.ts';
import type { UnknownPrimitive } from './operation.ts';
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
  /** The error of a JSON-RPC answer, which takes the place of an OAuth one. */
  rpc?: RpcError;
};

/**
 * Turns a refusal into its HTTP answer. All bad tokens get the same words, so that the answer tells nobody how far
 * a forged one came.
 *
 * @see RFC 6750 section 3.1, RFC 9449 section 7.1
 */
export function refusalResponse(refusal: Refusal, request: Request, settings: GuardSettings): Response {
  const answer = answerTo(refusal, request, settings.baselineScopes);
  const { status, scopes, retryAfterSeconds, nonce } = answer;
  const headers = new Headers({ 'content-type': 'application/json', 'cache-control': 'no-store' });
  if (scopes !== undefined) headers.set('www-authenticate', challengesFor({ ...answer, scopes }, request, settings));
  if (status === 405) headers.set('allow', 'GET, POST, DELETE, OPTIONS');
  if (nonce !== undefined) headers.set('dpop-nonce', nonce);
  if (retryAfterSeconds !== undefined) headers.set('retry-after', String(retryAfterSeconds));
  if (!isForeign(refusal))
    for (const [name, value] of Object.entries(crossOriginHeaders(request))) headers.set(name, value);
  return new Response(request.method === 'HEAD' ? null : JSON.stringify(bodyOf(answer)), { status, headers });
}

function bodyOf({ rpc, error, description }: Answer): unknown {
  if (rpc === undefined) return { error, error_description: description };
  const { id = null, ...problem } = rpc;
  return { jsonrpc: '2.0', id, error: problem };
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

function answerTo(refusal: Refusal, request: Request, baseline: readonly string[]): Answer {
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
    case 'method_not_allowed':
      return { status: 405, description: 'Use POST, GET or DELETE.' };
    case 'unsupported_media_type':
      return { status: 415, description: 'A message must be application/json.' };
    case 'length_required':
      return { status: 411, description: 'A message must announce its length.' };
    case 'body_too_large':
      return { status: 413, description: 'The message is too large.' };
    case 'not_json':
      return rpcError(400, { code: -32700, message: 'The body is not valid JSON.' });
    case 'batch':
      return rpcError(400, { code: -32600, message: 'Batches are not supported. Send each message by itself.' });
    case 'not_a_message':
      return rpcError(400, {
        code: -32600,
        message: 'The body is not a JSON-RPC message, or names too many resources.',
      });
    case 'undeclared':
    case 'hidden':
      return unknown(refusal, request);
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

type RpcError = { code: number; message: string; id?: string | number | null; data?: Readonly<Record<string, string>> };

function rpcError(status: number, rpc: RpcError): Answer {
  return { status, description: rpc.message, rpc };
}

/** The words are those for what does not exist at all, so that nobody learns what he may not see. */
function unknown({ kind, name, method, id }: UnknownPrimitive, request: Request): Answer {
  if (kind === 'methods' || (isModern(request) && REMOVED_METHODS.has(method))) {
    // A 404 is for clients of the revision that asks for it; older ones take it for a lost session.
    const status = isModern(request) ? 404 : 200;
    return rpcError(status, { id, code: -32601, message: `Unknown method: ${shortened(String(method))}` });
  }
  const message = `Unknown ${kind.slice(0, -1)}: ${shortened(name)}`;
  return rpcError(200, { id, code: -32602, message, ...(kind === 'resources' && { data: { uri: name } }) });
}

const REMOVED_METHODS: ReadonlySet<unknown> = new Set(['resources/subscribe', 'resources/unsubscribe']);

function shortened(text: string): string {
  return text.slice(0, 200);
}

function isModern(request: Request): boolean {
  return (request.headers.get('mcp-protocol-version') ?? '') >= '2026-07-28';
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
