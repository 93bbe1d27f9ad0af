import { createHash, randomUUID } from 'node:crypto';
import { expect, test } from '@jest/globals';
import { createReplayMemory } from '@portcullis/guard';
import { calculateJwkThumbprint, exportJWK, generateKeyPair, SignJWT } from 'jose';
import { createAdminGuard } from '../src/admin/admin-guard.ts';
import type { KeySet } from '../src/keys/key-ring.ts';
import { siteOf } from '../src/site.ts';

const now = new Date('2026-11-21T10:00:00Z');
const seconds = now.getTime() / 1000;
const site = siteOf('https://login.example');
const URL_OF_STATUS = 'https://login.example/admin/api/v1/status';

async function keySet(kid: string) {
  const pair = await generateKeyPair('ES256', { extractable: true });
  const jwk = { ...(await exportJWK(pair.privateKey)), kid, alg: 'ES256', use: 'sig' };
  return { jwk, sign: pair.privateKey };
}

test('SP-11: a proof that was used stays used when the signing keys change', async () => {
  const [first, second] = [await keySet('first'), await keySet('second')];
  const signing = () => ({ alg: 'ES256', kid: 'first' }) as const;
  let current: KeySet = { keys: [first.jwk], signing };
  const guard = createAdminGuard({
    site,
    replays: createReplayMemory(),
    clock: () => now,
    keyRing: { current: () => current, keep: async () => undefined },
  });

  const holder = await generateKeyPair('ES256', { extractable: true });
  const jwk = await exportJWK(holder.publicKey);
  const claims = {
    client_id: 'nightly',
    scope: 'admin:users',
    gid: 'g',
    cnf: { jkt: await calculateJwkThumbprint(jwk) },
  };
  const token = await new SignJWT(claims)
    .setProtectedHeader({ alg: 'ES256', kid: 'first', typ: 'at+jwt' })
    .setIssuer(site.issuer)
    .setSubject('nightly')
    .setAudience(guard.resource)
    .setJti(randomUUID())
    .setIssuedAt(seconds)
    .setExpirationTime(seconds + 300)
    .sign(first.sign);
  const ath = createHash('sha256').update(token).digest('base64url');
  const proof = await new SignJWT({ htm: 'GET', htu: URL_OF_STATUS, ath, jti: randomUUID(), iat: seconds })
    .setProtectedHeader({ alg: 'ES256', typ: 'dpop+jwt', jwk })
    .sign(holder.privateKey);
  const present = () =>
    guard.authenticate(new Request(URL_OF_STATUS, { headers: { authorization: `DPoP ${token}`, dpop: proof } }));

  expect(await present()).toMatchObject({ ok: true });
  expect(await present()).toMatchObject({ ok: false, refusal: { reason: 'proof_replayed' } });
  current = { keys: [second.jwk, first.jwk], signing };
  expect(await present()).toMatchObject({ ok: false, refusal: { reason: 'proof_replayed' } });
});
