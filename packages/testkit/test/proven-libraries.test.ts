import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from '@jest/globals';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const sources = ['apps/authorization-server/src', 'apps/mcp-server/src', 'apps/admin-cli/src'].concat(
  ['guard', 'persistence', 'platform'].map((name) => `packages/${name}/src`),
);

/** What signs, verifies, encrypts, derives keys or hashes passwords, in Node.js or in the web's `crypto.subtle`. */
const BY_HAND =
  /\b(?:create(?:Sign|Verify|Cipheriv|Decipheriv|Hmac|DiffieHellman|ECDH)|(?:public|private)(?:En|De)crypt|hkdf(?:Sync)?|scrypt(?:Sync)?|pbkdf2(?:Sync)?)\b|\bsubtle\.(?!digest\b|importKey\b)\w+/;

/**
 * Node.js' own primitives in use: the HMAC of form tokens and cookies, the key of a codec of the SDK, and the envelope of what must be
 * read back (AES-256-GCM, SP-4).
 */
const ALLOWED = [
  'apps/authorization-server/src/keys/keyed-digest.ts',
  'apps/mcp-server/src/confirmation/client-form.ts',
  'packages/persistence/src/envelope.ts',
];

test('SP-1: tokens, signatures and passwords are left to proven libraries; primitives are used in three known places', async () => {
  const found: string[] = [];
  for (const folder of sources) {
    const names = await readdir(join(root, folder), { recursive: true });
    for (const name of names.filter((each) => each.endsWith('.ts') && !each.includes('generated'))) {
      if (BY_HAND.test(await readFile(join(root, folder, name), 'utf8'))) found.push(`${folder}/${name}`);
    }
  }
  expect(found.sort()).toEqual(ALLOWED);
});
