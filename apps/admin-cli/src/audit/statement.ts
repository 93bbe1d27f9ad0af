import type { ChainPosition } from '@portcullis/platform';
import { calculateJwkThumbprint, compactVerify, EmbeddedJWK, errors } from 'jose';
import { z } from 'zod';

/** What a server signed about its audit trail: the record that stood at a place; with `firstSeq`, a moved segment. */
export type Statement = ChainPosition & {
  firstSeq?: number | undefined;
  issuer: string;
  signedAt: Date;
  /** The thumbprint of the key that signed it (RFC 7638). */
  key: string;
};

/** A statement, or why it is none. */
export type StatementVerdict = { ok: true; statement: Statement } | { ok: false; reason: StatementRefusal };

/** `signature`: it is no statement, or changed. `key`: it is signed with a key that is not trusted. */
type StatementRefusal = 'signature' | 'key';

const claimsSchema = z.object({
  iss: z.string(),
  iat: z.int(),
  seq: z.int().min(1),
  hash: z.string(),
  firstSeq: z.int().min(1).optional(),
});

const headerSchema = z.object({ typ: z.literal('portcullis-audit+jwt'), kid: z.string() });

const ALGORITHMS = ['ES256', 'EdDSA', 'RS256'];

/**
 * Verifies a statement with the public key that it carries.
 *
 * @param trusted thumbprints of the keys that may sign; undefined when nobody knows, and then the caller has to say which
 *   keys it were
 */
export async function verifyStatement(
  jws: string,
  trusted: ReadonlySet<string> | undefined,
): Promise<StatementVerdict> {
  try {
    const { payload, protectedHeader } = await compactVerify(jws, EmbeddedJWK, { algorithms: ALGORITHMS });
    const { kid } = headerSchema.parse(protectedHeader);
    const key = await calculateJwkThumbprint(z.record(z.string(), z.string()).parse(protectedHeader.jwk));
    const { iss, iat, ...position } = claimsSchema.parse(JSON.parse(new TextDecoder().decode(payload)));
    if (key !== kid) return { ok: false, reason: 'signature' };
    if (trusted !== undefined && !trusted.has(key)) return { ok: false, reason: 'key' };
    return { ok: true, statement: { ...position, issuer: iss, signedAt: new Date(iat * 1000), key } };
  } catch (cause) {
    const isTheirs = cause instanceof errors.JOSEError || cause instanceof z.ZodError || cause instanceof SyntaxError;
    if (isTheirs || cause instanceof TypeError) return { ok: false, reason: 'signature' };
    throw cause;
  }
}
