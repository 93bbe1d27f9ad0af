import { createPrivateKey, type webcrypto } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { adminResourceUrl } from '@portcullis/platform';
import * as oauth from 'oauth4webapi';
import { discover, explained, requestOptions } from './authorization-server.ts';
import { CommandFailure } from './failure.ts';

/** Gets an access token in the name of a machine, which proves itself with its private key (RFC 7523). */
export async function machineToken(
  issuer: string,
  { clientId, keyFile }: { clientId: string; keyFile: string },
): Promise<string> {
  const key = await readPrivateKey(keyFile);
  const server = await discover(issuer);
  const client = { client_id: clientId };
  return explained(issuer, async () => {
    const parameters = { resource: adminResourceUrl(issuer) };
    const response = await oauth.clientCredentialsGrantRequest(
      server,
      client,
      oauth.PrivateKeyJwt(key),
      parameters,
      requestOptions(issuer),
    );
    return (await oauth.processClientCredentialsResponse(server, client, response)).access_token;
  });
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (cause) {
    throw new CommandFailure('usage', `${file} cannot be read.`, { cause });
  }
}

/** Reads a private key from a PEM file, or from a JWK. */
async function readPrivateKey(file: string): Promise<oauth.CryptoKey> {
  const text = readText(file);
  try {
    const key = text.trimStart().startsWith('{')
      ? createPrivateKey({ format: 'jwk', key: JSON.parse(text) })
      : createPrivateKey(text);
    const jwk = key.export({ format: 'jwk' });
    return await crypto.subtle.importKey('jwk', jwk, algorithmOf(jwk), false, ['sign']);
  } catch (cause) {
    throw new CommandFailure('usage', `${file} holds no private key that can be used: EC P-256, RSA or Ed25519.`, {
      cause,
    });
  }
}

function algorithmOf({
  kty,
  crv,
}: {
  kty?: string;
  crv?: string;
}): webcrypto.EcKeyImportParams | webcrypto.RsaHashedImportParams | { name: string } {
  if (kty === 'EC' && crv === 'P-256') return { name: 'ECDSA', namedCurve: 'P-256' };
  if (kty === 'RSA') return { name: 'RSA-PSS', hash: 'SHA-256' };
  if (kty === 'OKP' && crv === 'Ed25519') return { name: 'Ed25519' };
  throw new TypeError('unknown kind of key');
}
