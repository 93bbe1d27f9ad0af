import { errors, type KoaContextWithOIDC } from 'oidc-provider';
import { requestContext } from '../http/request-context.ts';
import { chooseRedirectUris } from '../redirect-uri.ts';

const GRANT_TYPES = ['authorization_code', 'refresh_token'];
const TEXT_MEMBERS = ['client_name', 'software_id', 'software_version', 'token_endpoint_auth_method'] as const;
const WEB_MEMBERS = ['client_uri', 'logo_uri', 'policy_uri', 'tos_uri'] as const;
const MAX_TEXT_LENGTH = 256;
const MAX_URI_LENGTH = 2048;

/** The registration as the engine shall see it, or what the client must change. */
export type RegistrationResult =
  | { ok: true; metadata: Record<string, unknown> }
  | { ok: false; error: 'invalid_redirect_uri' | 'invalid_client_metadata'; description: string };

/**
 * Reads a registration as real clients send it (RFC 7591 §2 lets the server replace what it does not support).
 *
 * What it forgives: empty and unknown members, unknown grant types and scopes, a missing or wrong
 * `application_type`, redirect URIs of which only some can be used. What it does not: no usable redirect URI, and a
 * `jwks_uri`, because this server fetches nothing on a stranger's word.
 */
export function readRegistration(body: Readonly<Record<string, unknown>>): RegistrationResult {
  const redirects = chooseRedirectUris(body.redirect_uris);
  if (!redirects.ok) return { ok: false, error: 'invalid_redirect_uri', description: redirects.description };
  if (body.token_endpoint_auth_method === 'private_key_jwt' && !body.jwks) {
    return {
      ok: false,
      error: 'invalid_client_metadata',
      description: 'private_key_jwt needs the public keys in jwks; jwks_uri is not fetched',
    };
  }
  return {
    ok: true,
    metadata: {
      ...pickText(body, TEXT_MEMBERS),
      ...pickWebUris(body),
      ...(Array.isArray(body.contacts) && {
        contacts: body.contacts.filter((entry) => typeof entry === 'string' && entry.includes('@')),
      }),
      ...(body.token_endpoint_auth_method === 'private_key_jwt' && { jwks: body.jwks }),
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

/**
 * Replaces the body of a registration request with what {@link readRegistration} made of it, through the one
 * asynchronous hook that the engine calls before it copies the body. Issues no registration access token.
 */
export async function admitRegistration(ctx: KoaContextWithOIDC): Promise<boolean> {
  const body = ctx.oidc.body ?? {};
  const result = readRegistration(body);
  if (!result.ok) {
    throw result.error === 'invalid_redirect_uri'
      ? new errors.InvalidRedirectUri(result.description)
      : new errors.InvalidClientMetadata(result.description);
  }
  requestContext(ctx).registeredScope = body.scope;
  for (const member of Object.keys(body)) delete body[member];
  Object.assign(body, result.metadata);
  return false;
}

function supportedGrantTypes(asked: unknown): string[] {
  const supported = Array.isArray(asked) ? GRANT_TYPES.filter((type) => asked.includes(type)) : [];
  return supported.includes('authorization_code') ? supported : GRANT_TYPES;
}

function pickText(body: Readonly<Record<string, unknown>>, members: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    members.flatMap((member) => {
      const value = body[member];
      return typeof value === 'string' && value.trim() !== '' ? [[member, value.trim().slice(0, MAX_TEXT_LENGTH)]] : [];
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
        URL.canParse(value) &&
        new URL(value).protocol === 'https:';
      return usable ? [[member, value]] : [];
    }),
  );
}
