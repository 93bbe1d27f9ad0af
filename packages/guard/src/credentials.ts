import type { Refusal } from './refusal.ts';

/** The bearer token of a request, or why there is none. */
export type Credentials =
  | { ok: true; token: string }
  | { ok: false; refusal: Extract<Refusal, { reason: 'token_in_query' | 'no_credentials' | 'malformed_credentials' }> };

// RFC 6750 section 2.1 (b64token). A comma or a space cannot be in it, so that two joined headers never match.
const BEARER = /^bearer +([A-Za-z0-9\-._~+/]+=*)$/i;

/**
 * Takes the access token from the `Authorization` header, the one place where it may stand.
 *
 * A token in the query is refused even beside a good header, because it is in logs by now. Another scheme counts as
 * no credentials. A `Bearer` header that cannot be read, and two headers at once, are malformed. A token in a form
 * body is never looked for.
 *
 * @see RFC 6750 sections 2 and 3.1
 */
export function readCredentials(request: Request): Credentials {
  if (new URL(request.url).searchParams.has('access_token')) return refuse('token_in_query');
  const header = request.headers.get('authorization')?.trim();
  if (!header || !/^bearer\b/i.test(header)) return refuse('no_credentials');
  const token = BEARER.exec(header)?.[1];
  return token === undefined ? refuse('malformed_credentials') : { ok: true, token };
}

function refuse(reason: 'token_in_query' | 'no_credentials' | 'malformed_credentials'): Credentials {
  return { ok: false, refusal: { reason } };
}
