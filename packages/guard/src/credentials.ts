import type { Refusal } from './refusal.ts';

/** How a token is shown: by whoever has it, or with a proof of possession of the key that it is bound to. */
type Scheme = 'bearer' | 'dpop';

/** The access token of a request and the scheme it is shown with, or why there is none. */
export type Credentials =
  | { ok: true; scheme: Scheme; token: string }
  | { ok: false; refusal: Extract<Refusal, { reason: 'token_in_query' | 'no_credentials' | 'malformed_credentials' }> };

// RFC 6750 section 2.1 (b64token), which DPoP shares. A comma or a space cannot be in it, so that two joined headers
// never match.
const CREDENTIALS = /^(bearer|dpop) +([A-Za-z0-9\-._~+/]+=*)$/i;

/**
 * Takes the access token from the `Authorization` header, the one place where it may stand.
 *
 * A token in the query is refused even beside a good header, because it is in logs by now. A scheme other than
 * `Bearer` and `DPoP` counts as no credentials. A header of these two that cannot be read, and two headers at once,
 * are malformed. A token in a form body is never looked for.
 *
 * @see RFC 6750 sections 2 and 3.1, RFC 9449 section 7.1
 */
export function readCredentials(request: Request): Credentials {
  if (request.url.includes('?') && new URL(request.url).searchParams.has('access_token'))
    return refuse('token_in_query');
  const header = request.headers.get('authorization')?.trim();
  if (!header || !/^(bearer|dpop)\b/i.test(header)) return refuse('no_credentials');
  const [, scheme, token] = CREDENTIALS.exec(header) ?? [];
  if (scheme === undefined || token === undefined) return refuse('malformed_credentials');
  return { ok: true, scheme: scheme.toLowerCase() === 'dpop' ? 'dpop' : 'bearer', token };
}

function refuse(reason: 'token_in_query' | 'no_credentials' | 'malformed_credentials'): Credentials {
  return { ok: false, refusal: { reason } };
}
