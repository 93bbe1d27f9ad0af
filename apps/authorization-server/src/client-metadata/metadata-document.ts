import { createHash } from 'node:crypto';
import { chooseRedirectUris } from '../redirect-uri.ts';

const GRANT_TYPES = ['authorization_code', 'refresh_token'];
const SIGNING_ALGORITHMS = ['RS256', 'PS256', 'ES256', 'Ed25519', 'EdDSA'] as const;
const MAX_NAME_LENGTH = 256;
const MAX_KEYS = 16;

/** A public key as a document names it. */
export type PublicJwk = { kty: string; [member: string]: unknown };

/** A metadata document as this server understands it; what it does not know is left out. */
export type ClientMetadata = {
  client_id: string;
  client_name: string;
  redirect_uris: string[];
  application_type: 'native' | 'web';
  grant_types: string[];
  response_types: ['code'];
  /** Whether it is shown is decided elsewhere. */
  logo_uri?: string;
  token_endpoint_auth_method: 'none' | 'private_key_jwt';
  token_endpoint_auth_signing_alg?: (typeof SIGNING_ALGORITHMS)[number];
  jwks?: { keys: PublicJwk[] };
  jwks_uri?: string;
  dpop_bound_access_tokens?: true;
};

/** A document, or what is wrong with it. */
export type MetadataDocumentResult = { ok: true; metadata: ClientMetadata } | { ok: false; problem: string };

/**
 * Reads a Client ID Metadata Document (AS-24, AS-25, AS-29).
 *
 * What it forgives: unknown members, unknown grant types, redirect URIs of which only some can be used, a missing
 * `application_type`. What it does not: another `client_id`, no name, no usable redirect URI, anything secret, and a
 * client that could not authenticate as it says.
 */
export function readMetadataDocument(text: string, clientId: string): MetadataDocumentResult {
  const document = parseObject(text);
  if (!document) return { ok: false, problem: 'it is no JSON object' };
  // No name or address has it, and PostgreSQL stores no text that does.
  if (JSON.stringify(document).includes('\\u0000')) return { ok: false, problem: 'it holds the character U+0000' };
  if (document.client_id !== clientId) return { ok: false, problem: 'its client_id is not the URL it stands at' };
  const name = typeof document.client_name === 'string' ? document.client_name.trim() : '';
  if (name === '') return { ok: false, problem: 'it has no client_name' };
  if ('client_secret' in document || 'client_secret_expires_at' in document)
    return { ok: false, problem: 'it holds a client_secret, which a public document cannot' };
  const redirects = chooseRedirectUris(document.redirect_uris);
  if (!redirects.ok) return { ok: false, problem: redirects.description };
  const authentication = readAuthentication(document);
  if (!authentication.ok) return authentication;
  return {
    ok: true,
    metadata: {
      client_id: clientId,
      client_name: name.slice(0, MAX_NAME_LENGTH),
      redirect_uris: redirects.uris,
      application_type: redirects.native ? 'native' : 'web',
      grant_types: supportedGrantTypes(document.grant_types),
      response_types: ['code'],
      ...readLogo(document),
      ...authentication.members,
      ...(document.dpop_bound_access_tokens === true && { dpop_bound_access_tokens: true }),
    },
  };
}

/**
 * What a user agrees to beside the scopes: where access goes, and who can fetch it. A remembered consent is for one
 * fingerprint (AS-35). Keys behind a `jwks_uri` may change without the user; the URI may not.
 */
export function fingerprintOf(metadata: ClientMetadata): string {
  const keys = metadata.jwks?.keys.map((key) => JSON.stringify(Object.entries(key).sort()));
  const agreed = [
    [...metadata.redirect_uris].sort(),
    metadata.token_endpoint_auth_method,
    metadata.jwks_uri ?? null,
    keys?.sort() ?? null,
  ];
  return createHash('sha256').update(JSON.stringify(agreed)).digest('base64url');
}

/** The public keys of a key set (RFC 7517), or undefined when it is none, or holds a key that is not public. */
export function readKeySet(value: unknown): PublicJwk[] | undefined {
  const keys: unknown = isObject(value) ? value.keys : undefined;
  if (!Array.isArray(keys) || keys.length > MAX_KEYS) return undefined;
  return keys.every(isPublicKey) ? keys : undefined;
}

type Authentication = Pick<
  ClientMetadata,
  'token_endpoint_auth_method' | 'token_endpoint_auth_signing_alg' | 'jwks' | 'jwks_uri'
>;

/**
 * How the client authenticates: its preferred method, or of those that it can choose from the strongest that works
 * here. A client with choices looks at what this server supports, and takes `private_key_jwt` when it has a key.
 */
function readAuthentication(
  document: Record<string, unknown>,
): { ok: true; members: Authentication } | { ok: false; problem: string } {
  const preferred = document.token_endpoint_auth_method;
  if (typeof preferred === 'string' && preferred.startsWith('client_secret_'))
    return { ok: false, problem: 'its token_endpoint_auth_method needs a shared secret' };
  const keys = readKeys(document);
  const choices = choicesOf(document);
  const [method] = [preferred, 'private_key_jwt', 'none'].filter(
    (candidate) => choices.includes(String(candidate)) && (candidate === 'none' || keys),
  );
  if (method === 'none') return { ok: true, members: { token_endpoint_auth_method: 'none' } };
  if (method !== 'private_key_jwt' || !keys) {
    return {
      ok: false,
      problem: 'it names no way to authenticate that works here: none, or private_key_jwt with keys',
    };
  }
  const alg = SIGNING_ALGORITHMS.find((known) => known === document.token_endpoint_auth_signing_alg);
  return {
    ok: true,
    members: {
      token_endpoint_auth_method: method,
      ...keys,
      ...(alg && { token_endpoint_auth_signing_alg: alg }),
    },
  };
}

/** Methods out of `token_endpoint_auth_method` and the list that a client may choose from (RP Metadata Choices). */
function choicesOf(document: Record<string, unknown>): string[] {
  const listed: unknown = document.token_endpoint_auth_methods_supported;
  const choices = [document.token_endpoint_auth_method, ...(Array.isArray(listed) ? listed : [])]
    .filter((method) => typeof method === 'string')
    .filter((method) => method === 'none' || method === 'private_key_jwt');
  const saysNothing = document.token_endpoint_auth_method === undefined && !Array.isArray(listed);
  return saysNothing ? ['none'] : choices;
}

function readKeys(document: Record<string, unknown>): Pick<Authentication, 'jwks' | 'jwks_uri'> | undefined {
  const keys = readKeySet(document.jwks);
  if (keys && keys.length > 0) return { jwks: { keys } };
  const uri = document.jwks_uri;
  if (document.jwks !== undefined || typeof uri !== 'string') return undefined;
  return URL.canParse(uri) && new URL(uri).protocol === 'https:' ? { jwks_uri: new URL(uri).href } : undefined;
}

function readLogo({ logo_uri: uri }: Record<string, unknown>): Pick<ClientMetadata, 'logo_uri'> {
  if (typeof uri !== 'string' || !URL.canParse(uri) || new URL(uri).protocol !== 'https:') return {};
  return { logo_uri: new URL(uri).href };
}

function isPublicKey(key: unknown): key is PublicJwk {
  if (!isObject(key) || typeof key.kty !== 'string' || key.kty === 'oct') return false;
  return !['d', 'k', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'priv'].some((member) => member in key);
}

function supportedGrantTypes(asked: unknown): string[] {
  const supported = Array.isArray(asked) ? GRANT_TYPES.filter((type) => asked.includes(type)) : [];
  return supported.includes('authorization_code') ? supported : GRANT_TYPES;
}

function parseObject(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
