import type { DocumentCache } from './document-cache.ts';
import { jsonReader } from './fetch-outcome.ts';
import { type PublicJwk, readKeySet } from './metadata-document.ts';

/** The keys behind a `jwks_uri`, or why they cannot be had at the moment. Keys that were withdrawn are none. */
type RemoteKeysResult = { ok: true; keys: PublicJwk[] } | { ok: false; reason: string };

/**
 * Gets the keys behind a `jwks_uri`. With a `kid` that is not among those that were fetched before, they are fetched
 * again, unless that was a moment ago. `admit` is asked before this request causes a fetch.
 */
export type RemoteKeys = (
  uri: string,
  o: { kid?: string | undefined; admit?: (() => Promise<boolean>) | undefined },
) => Promise<RemoteKeysResult>;

/** Makes them over a cache; `maxSize` is what its egress lets through, in words. */
export function createRemoteKeys(cache: DocumentCache, maxSize?: string): RemoteKeys {
  return async (uri, { kid, admit }) => {
    const hasKey = (body: string) => kid === undefined || keysIn(body)?.some((key) => key.kid === kid) === true;
    const document = await cache(uri, { reader: jsonReader(checkKeySet, maxSize), admit, suffices: hasKey });
    switch (document.kind) {
      case 'fresh':
      case 'stale':
        return { ok: true, keys: keysIn(document.body) ?? [] };
      case 'withdrawn':
        return { ok: true, keys: [] };
      case 'unreachable':
      case 'busy':
        return { ok: false, reason: document.reason };
    }
  };
}

function checkKeySet(text: string): { ok: true } | { ok: false; problem: string } {
  return keysIn(text) ? { ok: true } : { ok: false, problem: 'it is no set of public keys' };
}

function keysIn(text: string): PublicJwk[] | undefined {
  try {
    return readKeySet(JSON.parse(text));
  } catch {
    return undefined;
  }
}
