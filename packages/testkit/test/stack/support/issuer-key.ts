import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createEnvelope, createSigningKeyStore, openDatabase, parseMasterKey } from '@portcullis/persistence';
import { importJWK, type JWTHeaderParameters, SignJWT } from 'jose';
import type { Stack } from '../../../src/index.ts';

/** Signs whatever it is asked to with the very key of a stack's authorization server. */
export type KeyThief = (claims?: Record<string, unknown>, header?: Partial<JWTHeaderParameters>) => Promise<string>;

/** Steals the signing key, so that a forged token can be right in every respect but one. */
export async function stealSigningKey(stack: Stack): Promise<KeyThief> {
  const master = parseMasterKey((await readFile(join(stack.dataDir, 'master-key'), 'utf8')).trim());
  if (!master) throw new Error('no master key');
  const database = await openDatabase({ url: stack.databases.authorizationServer });
  const { keys } = await createSigningKeyStore(database, createEnvelope(master)).load();
  const [signingKey] = keys;
  await database.close();
  if (!signingKey) throw new Error('no signing key');
  const { kid, alg, jwk } = signingKey;
  const key = await importJWK({ ...jwk, alg });
  return (claims = {}, header = {}) => {
    const now = Math.floor(Date.now() / 1000);
    const standard = {
      iss: stack.issuer,
      aud: stack.mcpUrl,
      sub: 'user-1',
      client_id: 'client-1',
      iat: now,
      exp: now + 300,
    };
    return new SignJWT({
      ...standard,
      jti: randomUUID(),
      gid: 'grant-1',
      scope: 'desk:read',
      roles: ['agent'],
      ...claims,
    })
      .setProtectedHeader({ alg, typ: 'at+jwt', kid, ...header })
      .sign(key);
  };
}
