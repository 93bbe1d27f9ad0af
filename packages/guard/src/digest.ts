import { base64url } from 'jose';

/**
 * SHA-256 in base64url, the form in which OAuth writes hashes of tokens, keys and certificates. Node.js, Deno and Bun
 * do it at once; elsewhere Web Crypto does, whose answer has to be waited for.
 */
export async function sha256(data: Uint8Array<ArrayBuffer> | string): Promise<string> {
  const atOnce = builtInHash();
  if (atOnce !== undefined) return atOnce('sha256', data, 'base64url');
  const bytes = typeof data === 'string' ? new TextEncoder().encode(data) : data;
  return base64url.encode(new Uint8Array(await crypto.subtle.digest('SHA-256', bytes)));
}

// Asked for as it is needed, because an import would keep the guard from running where there is no such module.
function builtInHash(): typeof import('node:crypto').hash | undefined {
  return globalThis.process?.getBuiltinModule?.('node:crypto')?.hash;
}
