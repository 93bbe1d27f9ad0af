import { createLocalJWKSet, errors, type JWK, type JWTPayload, jwtVerify } from 'jose';

/** What an access token of ours says, once its signature, issuer and times were verified. */
export type AccessTokenClaims = Readonly<{
  subject: string;
  clientId: string;
  audience: string;
  grantId: string;
  issuedAt: Date;
  /** Whether it is worth nothing without a proof of the key that it is bound to (RFC 9449). */
  isDpopBound: boolean;
  /** The claims as they stand in the token. */
  payload: JWTPayload;
}>;

/** The issuer and its keys; the private parts are not used. */
export type OwnTokens = { issuer: string; keys(): readonly JWK[] };

/**
 * Reads an access token that this server issued. Not checked: whether it has been ended, and who asks.
 *
 * @returns undefined for everything that is no living access token of ours
 * @see RFC 9068 section 4
 */
export async function readAccessToken(
  token: string,
  { issuer, keys, now }: OwnTokens & { now: Date },
): Promise<AccessTokenClaims | undefined> {
  try {
    const set = publicSetOf(keys());
    const options = { issuer, typ: 'at+jwt', currentDate: now, clockTolerance: 0 };
    return claimsOf((await jwtVerify(token, set, options)).payload);
  } catch (cause) {
    if (cause instanceof errors.JOSEError) return undefined;
    throw cause;
  }
}

/** A set imports each of its keys once; another key set of the server is another list. */
const publicSets = new WeakMap<readonly JWK[], ReturnType<typeof createLocalJWKSet>>();

function publicSetOf(keys: readonly JWK[]): ReturnType<typeof createLocalJWKSet> {
  const known = publicSets.get(keys) ?? createLocalJWKSet({ keys: keys.map(publicPart) });
  publicSets.set(keys, known);
  return known;
}

function claimsOf(payload: JWTPayload): AccessTokenClaims | undefined {
  const { sub, client_id: clientId, aud, gid, iat, cnf } = payload;
  if (typeof sub !== 'string' || typeof clientId !== 'string' || typeof aud !== 'string') return undefined;
  if (typeof gid !== 'string' || iat === undefined) return undefined;
  const isDpopBound = typeof cnf === 'object' && cnf !== null && 'jkt' in cnf;
  return { subject: sub, clientId, audience: aud, grantId: gid, issuedAt: new Date(iat * 1000), isDpopBound, payload };
}

function publicPart({ kty, crv, x, y, n, e, kid, alg, use }: JWK): JWK {
  return Object.fromEntries(Object.entries({ kty, crv, x, y, n, e, kid, alg, use }).filter(([, value]) => value));
}
