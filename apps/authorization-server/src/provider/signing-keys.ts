import type { SigningKeyStore } from '@portcullis/persistence';
import { calculateJwkThumbprint, exportJWK, generateKeyPair, type JWK } from 'jose';

/** The algorithm of access tokens unless a resource asks for another. */
const ALGORITHM = 'ES256';

/** The keys that sign tokens; the first one is made when there is none, by whichever replica comes first. */
export async function loadSigningKeys(store: SigningKeyStore, now: Date): Promise<JWK[]> {
  await store.addFirst(createSigningKey, now);
  const keys = await store.list();
  return keys.map(({ kid, alg, jwk }) => ({ ...jwk, kid, alg, use: 'sig' }));
}

async function createSigningKey(): Promise<JWK & { kid: string; alg: string }> {
  const { privateKey } = await generateKeyPair(ALGORITHM, { extractable: true });
  const jwk = await exportJWK(privateKey);
  return { ...jwk, kid: await calculateJwkThumbprint(jwk), alg: ALGORITHM };
}
