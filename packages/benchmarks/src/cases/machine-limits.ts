import { hash, webcrypto } from 'node:crypto';
import { generateKeyPair, type JWTPayload, jwtVerify, SignJWT } from 'jose';
import type { BenchmarkCase } from '../benchmark-case.ts';
import { chartOf, withRange } from '../comparison.ts';
import { measureInterleaved, type Variant } from '../interleaved.ts';
import { ownWork } from '../own-work.ts';

const AT_ONCE = 16;

/** What the operations that nobody can do without cost on this machine: nothing that uses them can be faster. */
export const machineLimits: BenchmarkCase = {
  name: 'machine-limits',
  async run({ quick, rounds = quick ? 1 : 15, size: steps = quick ? 20 : 2000 }) {
    const { privateKey, publicKey } = await generateKeyPair('ES256');
    const issuer = 'https://issuer.example';
    const sign = (claims: JWTPayload) => new SignJWT(claims).setProtectedHeader({ alg: 'ES256' }).setIssuer(issuer);
    const claims = { sub: 'user', scope: 'desk:read', client_id: 'client', jti: crypto.randomUUID() };
    const token = await sign(claims).sign(privateKey);
    const [header, payload, signature = ''] = token.split('.');
    const signed = Buffer.from(`${header}.${payload}`);
    const signatureBytes = Buffer.from(signature, 'base64url');
    const algorithm = { name: 'ECDSA', hash: 'SHA-256' };
    const variants = [
      variant('SHA-256 of a token', () => hash('sha256', token)),
      variant('ES256: a token verified with jose', () => jwtVerify(token, publicKey, { issuer })),
      variant('ES256: a signature verified, Web Crypto alone', () =>
        webcrypto.subtle.verify(algorithm, publicKey, signatureBytes, signed),
      ),
      variant('ES256: a token signed with jose', () => sign(claims).sign(privateKey)),
    ];
    const measured = await measureInterleaved(variants, { rounds, steps, warmUp: steps });
    return {
      name: machineLimits.name,
      tables: [
        {
          title: 'In one process, with its cryptography on other threads where it goes there',
          columns: ['operation', 'per second', 'CPU, µs'],
          lines: measured.map((one) => [one.name, withRange(one.perSecond, 0), withRange(one.cpuMicroseconds, 1)]),
        },
      ],
      charts: [chartOf('What cannot be done without', measured)],
      notes: [`${rounds} rounds of ${steps}, ${AT_ONCE} at once; medians with the range of the middle half.`],
    };
  },
};

function variant(name: string, operate: () => unknown): Variant {
  return ownWork(name, { atOnce: AT_ONCE, operate });
}
