import { chooseRedirectUris, isUri } from '../redirect-uri.ts';
import { readClientKeys } from '../registration/client-keys.ts';

const GRANT_TYPES = ['authorization_code', 'refresh_token'];
const TEXT_MEMBERS = ['client_name', 'software_id', 'software_version', 'token_endpoint_auth_method'] as const;
const WEB_MEMBERS = ['client_uri', 'logo_uri', 'policy_uri', 'tos_uri'] as const;
const MAX_TEXT_LENGTH = 256;
const MAX_URI_LENGTH = 2048;
const MAX_CONTACTS = 10;

/** The registration as the engine shall see it, or what the client must change. */
export type RegistrationResult =
  | { ok: true; metadata: Record<string, unknown> }
  | { ok: false; error: 'invalid_redirect_uri' | 'invalid_client_metadata'; description: string };

/**
 * Reads a registration as real clients send it (RFC 7591 §2 lets the server replace what it does not support).
 *
 * What it forgives: empty and unknown members, unknown grant types and scopes, a missing or wrong
 * `application_type`, redirect URIs of which only some can be used. What it does not: no usable redirect URI, and keys
 * that could never verify anything. Nothing is fetched here: a `jwks_uri` is judged by its form.
 *
 * @param fetchPorts ports beside 443 that a `jwks_uri` may have
 */
export function readRegistration(
  body: Readonly<Record<string, unknown>>,
  { fetchPorts }: { fetchPorts: readonly number[] },
): RegistrationResult {
  const redirects = chooseRedirectUris(body.redirect_uris);
  if (!redirects.ok) return { ok: false, error: 'invalid_redirect_uri', description: redirects.description };
  const keys = body.token_endpoint_auth_method === 'private_key_jwt' ? readClientKeys(body, { fetchPorts }) : undefined;
  if (keys?.ok === false) return { ok: false, error: 'invalid_client_metadata', description: keys.description };
  return {
    ok: true,
    metadata: {
      ...pickText(body, TEXT_MEMBERS),
      ...pickWebUris(body),
      ...(Array.isArray(body.contacts) && {
        contacts: body.contacts
          .filter((entry) => typeof entry === 'string' && isStorable(entry) && entry.includes('@'))
          .map((entry) => entry.slice(0, MAX_TEXT_LENGTH))
          .slice(0, MAX_CONTACTS),
      }),
      ...keys?.members,
      ...(body.dpop_bound_access_tokens === true && { dpop_bound_access_tokens: true }),
      token_endpoint_auth_method:
        pickText(body, ['token_endpoint_auth_method']).token_endpoint_auth_method ?? 'client_secret_basic',
      application_type: redirects.native ? 'native' : 'web',
      redirect_uris: redirects.uris,
      grant_types: supportedGrantTypes(body.grant_types),
      response_types: ['code'],
    },
  };
}

/** The part of a registered `scope` that some resource knows; a hint that limits nothing later (CL-23). */
export function knownScopes(scope: unknown, known: ReadonlySet<string>): string | undefined {
  if (typeof scope !== 'string') return undefined;
  return [...new Set(scope.split(' '))].filter((name) => known.has(name)).join(' ') || undefined;
}

function supportedGrantTypes(asked: unknown): string[] {
  const supported = Array.isArray(asked) ? GRANT_TYPES.filter((type) => asked.includes(type)) : [];
  return supported.includes('authorization_code') ? supported : GRANT_TYPES;
}

function pickText(body: Readonly<Record<string, unknown>>, members: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    members.flatMap((member) => {
      const value = body[member];
      return typeof value === 'string' && isStorable(value) && value.trim() !== ''
        ? [[member, value.trim().slice(0, MAX_TEXT_LENGTH).toWellFormed()]]
        : [];
    }),
  );
}

function pickWebUris(body: Readonly<Record<string, unknown>>): Record<string, string> {
  return Object.fromEntries(
    WEB_MEMBERS.flatMap((member) => {
      const value = body[member];
      const usable =
        typeof value === 'string' &&
        value.length <= MAX_URI_LENGTH &&
        isUri(value) &&
        new URL(value).protocol === 'https:';
      return usable ? [[member, value]] : [];
    }),
  );
}

/** PostgreSQL keeps no U+0000, and half a surrogate pair is no character. */
function isStorable(text: string): boolean {
  return !text.includes('\0') && text.isWellFormed();
}
