import { base64url } from 'jose';

/** SHA-256 in base64url, the form in which OAuth writes hashes of tokens, keys and certificates. */
export async function sha256(data: Uint8Array<ArrayBuffer> | string): Promise<string> {
  const bytes = typeof data === 'string' ? new TextEncoder().encode(data) : data;
  return base64url.encode(new Uint8Array(await crypto.subtle.digest('SHA-256', bytes)));
}
