import { type CryptoKey, createLocalJWKSet, errors, type JSONWebKeySet, type LocalJWKSet } from 'jose';
import { type FetchSettings, fetchJsonObject, isObject } from './fetch-json.ts';
import { fetchIssuerMetadata } from './issuer-metadata.ts';
import { createRefreshed, type Lookup, type RefreshTimes } from './refreshed.ts';
import type { TokenRefusal } from './refusal.ts';

/** The part of a token's header by which its key is found. */
export type KeyHint = Readonly<{ alg: string; kid: string }>;

/** One fetch of an issuer's keys; two fetches are never the same set, though they may hold the same keys. */
export type KeySet = LocalJWKSet;

/** The key for a token and the set that it is from, or why there is none. */
type KeyLookup = { ok: true; key: CryptoKey; keys: KeySet } | { ok: false; refusal: TokenRefusal };

/** The public keys of one issuer. */
export type IssuerKeys = {
  find(hint: KeyHint): Promise<KeyLookup>;
  /** The set that is in use now. */
  current(): Promise<{ ok: true; keys: KeySet } | { ok: false; refusal: TokenRefusal }>;
  /** Whether there are keys to verify with; they are fetched if there are none and it is time. */
  available(): Promise<boolean>;
};

/** Where the keys are, how they are asked for, and for how long they are kept. `url` skips the issuer's metadata. */
export type IssuerKeySettings = FetchSettings & RefreshTimes & Readonly<{ issuer: string; url?: string | undefined }>;

/**
 * Keeps an issuer's keys. Nothing is fetched before the first token comes. A key that is not in the set makes it be
 * fetched again, at most once in each cooldown, however many unknown keys are asked for.
 *
 * That keys cannot be had and that a key does not exist are told apart: while the last fetch failed, a missing key
 * is `keys_unavailable`, because it may be a new one.
 */
export function createIssuerKeys(settings: IssuerKeySettings, now: () => Date): IssuerKeys {
  const sets = createRefreshed(() => loadKeySet(settings), settings, now);
  return {
    available: async () => (await sets.current()).ok,
    async current() {
      const lookup = await sets.current();
      return lookup.ok ? { ok: true, keys: lookup.value } : unavailable(lookup);
    },
    async find(hint) {
      const first = await choose(await sets.current(), hint);
      if (first.ok || first.refusal.reason !== 'unknown_key') return first;
      return choose(await sets.newer(), hint);
    },
  };
}

async function loadKeySet(settings: IssuerKeySettings): Promise<KeySet> {
  const url = settings.url ?? (await fetchIssuerMetadata(settings.issuer, settings)).jwks_uri;
  if (typeof url !== 'string') throw new Error('the issuer names no jwks_uri');
  const set = await fetchJsonObject(url, settings);
  if (!isKeySet(set)) throw new Error('the answer is no JSON Web Key Set');
  return createLocalJWKSet(set);
}

function isKeySet(value: Record<string, unknown>): value is Record<string, unknown> & JSONWebKeySet {
  return Array.isArray(value.keys) && value.keys.every(isObject);
}

async function choose(lookup: Lookup<KeySet>, hint: KeyHint): Promise<KeyLookup> {
  if (!lookup.ok) return unavailable(lookup);
  const keys = lookup.value;
  try {
    return { ok: true, key: await keys({ alg: hint.alg, kid: hint.kid }), keys };
  } catch (error) {
    return { ok: false, refusal: keyRefusal(error) };
  }
}

function unavailable({ retryAfterSeconds, cause }: Extract<Lookup<KeySet>, { ok: false }>) {
  return { ok: false, refusal: { reason: 'keys_unavailable', retryAfterSeconds, cause } } as const;
}

function keyRefusal(error: unknown): TokenRefusal {
  const absent = error instanceof errors.JWKSNoMatchingKey || error instanceof errors.JWKSMultipleMatchingKeys;
  // A published key that cannot be used is the issuer's fault, not the caller's.
  return absent ? { reason: 'unknown_key' } : { reason: 'keys_unavailable', retryAfterSeconds: 30, cause: error };
}
