import { z } from 'zod';
import type { DocumentCache } from '../client-metadata/document-cache.ts';
import { jsonReader } from '../client-metadata/fetch-outcome.ts';
import type { PublicJwk } from '../client-metadata/metadata-document.ts';
import { createRemoteKeys } from '../client-metadata/remote-keys.ts';
import { discoveryUrl, type IdentityProvider } from './identity-provider.ts';

/** Larger than a client's: providers publish certificates beside their keys, and long metadata. */
export const PROVIDER_DOCUMENT_SIZE = { bytes: 64 * 1024, words: '64 KB' } as const;

const metadata = z.object({ issuer: z.string(), jwks_uri: z.string() });

/** A provider's keys, or why they cannot be had at the moment. */
export type ProviderKeysResult = { ok: true; keys: readonly PublicJwk[] } | { ok: false; reason: string };

/** Gets the keys with which a provider signs. `admit` is asked before this request causes a fetch. */
export type ProviderKeys = (o: {
  issuer: string;
  provider: IdentityProvider;
  kid: string | undefined;
  admit: () => Promise<boolean>;
}) => Promise<ProviderKeysResult>;

/**
 * Makes them over a cache: what the configuration holds, or the keys behind its `jwksUri`, or behind the `jwks_uri` of
 * the provider's metadata, which must name the same issuer (OpenID Connect Discovery, section 4.3).
 */
export function createProviderKeys(cache: DocumentCache): ProviderKeys {
  const remoteKeys = createRemoteKeys(cache, PROVIDER_DOCUMENT_SIZE.words);
  return async ({ issuer, provider, kid, admit }) => {
    if (provider.jwks) return { ok: true, keys: provider.jwks.keys };
    const uri = provider.jwksUri === undefined ? await discover(issuer, { cache, admit }) : provider.jwksUri;
    if (typeof uri !== 'string') return uri;
    return remoteKeys(uri, { kid, admit });
  };
}

async function discover(
  issuer: string,
  { cache, admit }: { cache: DocumentCache; admit: () => Promise<boolean> },
): Promise<string | { ok: false; reason: string }> {
  const check = (text: string) => {
    const found = readMetadata(text);
    if (!found) return { ok: false, problem: 'it is no metadata of an OpenID Connect issuer' } as const;
    return found.issuer === issuer
      ? ({ ok: true } as const)
      : ({ ok: false, problem: 'it is of another issuer' } as const);
  };
  const document = await cache(discoveryUrl(issuer), {
    reader: jsonReader(check, PROVIDER_DOCUMENT_SIZE.words),
    admit,
  });
  if (!('body' in document)) return { ok: false, reason: `its metadata: ${document.reason}` };
  return readMetadata(document.body)?.jwks_uri ?? { ok: false, reason: 'its metadata names no keys' };
}

function readMetadata(text: string): z.infer<typeof metadata> | undefined {
  try {
    return metadata.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}
