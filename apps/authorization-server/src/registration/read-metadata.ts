import type { ClientMetadata } from '@portcullis/persistence';
import { errors, type default as Provider } from 'oidc-provider';
import { readRegistration } from '../provider/registration.ts';
import { allowsRedirect, type RegistrationPolicy } from './policy.ts';
import type { BadRegistration } from './refusal.ts';
import { readSoftwareStatement } from './software-statement.ts';

/** Members of RFC 7591 §2 that the engine would leave out. */
const UNKNOWN_TO_ENGINE = ['software_id', 'software_version'];

/** Metadata that can be stored, or what the client must change. */
export type MetadataResult = { ok: true; metadata: ClientMetadata } | { ok: false; refusal: BadRegistration };

/** What the metadata is read with. */
export type ReadMetadataOptions = {
  provider: Provider;
  policy: RegistrationPolicy;
  /** Ports beside 443 that keys may be fetched from. */
  fetchPorts: readonly number[];
  /** Of the client that the metadata is for. */
  clientId: string;
  issuedAt: Date;
  now: Date;
};

/**
 * Reads what a client says about itself: first what a software statement says for it, then what real clients send,
 * then where it may be called back, and last the engine's own rules, which see it as it will be stored.
 */
export async function readMetadata(
  body: Readonly<Record<string, unknown>>,
  { provider, policy, fetchPorts, clientId, issuedAt, now }: ReadMetadataOptions,
): Promise<MetadataResult> {
  const vouched = await readSoftwareStatement(body.software_statement, policy.softwareStatements, now);
  if (!vouched.ok) return refuse(vouched);
  const read = readRegistration({ ...body, ...vouched.claims }, { fetchPorts });
  if (!read.ok) return refuse(read);
  const redirects = allowedRedirects(read.metadata.redirect_uris, policy.redirectHosts);
  if (redirects.length === 0) {
    return refuse({
      error: 'invalid_redirect_uri',
      description: 'redirect_uris name no host to which this server lets clients be called back',
    });
  }
  const metadata = checkedByEngine(provider, {
    ...read.metadata,
    redirect_uris: redirects,
    client_id: clientId,
    client_id_issued_at: Math.floor(issuedAt.getTime() / 1000),
  });
  if (!metadata.ok || vouched.statement === undefined) return metadata;
  return { ok: true, metadata: { ...metadata.metadata, software_statement: vouched.statement } };
}

function allowedRedirects(uris: unknown, hosts: RegistrationPolicy['redirectHosts']): string[] {
  return Array.isArray(uris) ? uris.filter((uri) => allowsRedirect(hosts, uri)) : [];
}

function checkedByEngine(provider: Provider, metadata: ClientMetadata): MetadataResult {
  // The engine wants to see a secret where one will be made.
  const { client_id: clientId = '' } = metadata;
  const secret = needsSecret(metadata) ? { client_secret: clientId, client_secret_expires_at: 0 } : {};
  try {
    // The engine's types leave the constructor out.
    const client: InstanceType<Provider['Client']> = Reflect.construct(provider.Client, [{ ...metadata, ...secret }]);
    const { client_secret, client_secret_expires_at, ...checked } = client.metadata();
    return { ok: true, metadata: { ...pick(metadata, UNKNOWN_TO_ENGINE), ...checked } };
  } catch (cause) {
    if (!(cause instanceof errors.InvalidClientMetadata)) throw cause;
    const error = cause.error === 'invalid_redirect_uri' ? 'invalid_redirect_uri' : 'invalid_client_metadata';
    return refuse({ error, description: cause.error_description ?? 'the metadata cannot be used' });
  }
}

function pick(metadata: ClientMetadata, members: readonly string[]): ClientMetadata {
  return Object.fromEntries(Object.entries(metadata).filter(([member]) => members.includes(member)));
}

/** Whether a client with this metadata authenticates with a secret. */
export function needsSecret({ token_endpoint_auth_method: method }: ClientMetadata): boolean {
  return method === 'client_secret_basic' || method === 'client_secret_post';
}

function refuse({ error, description }: BadRegistration): MetadataResult {
  return { ok: false, refusal: { error, description } };
}
