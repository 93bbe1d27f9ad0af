import { isObject } from './fetch-json.ts';

/**
 * What a token is bound to, by the thumbprints that its `cnf` claim has. Whoever shows the token must prove that he
 * holds the private key of each.
 *
 * @see RFC 7800 section 3.1
 */
export type Binding = Readonly<{
  /** `jkt`: the JWK thumbprint of a DPoP key (RFC 9449 section 6.1). */
  dpopKey?: string;
  /** `x5t#S256`: the SHA-256 of a certificate (RFC 8705 section 3.1). */
  certificate?: string;
}>;

const THUMBPRINT = /^[A-Za-z0-9_-]{43}$/;

/**
 * Reads a `cnf` claim.
 *
 * @returns undefined when it has another form or a member that is not known here: a binding that cannot be checked
 * must not be passed over
 */
export function readBinding(cnf: unknown): Binding | undefined {
  if (!isObject(cnf)) return undefined;
  const { jkt, 'x5t#S256': x5t, ...unknown } = cnf;
  if (Object.keys(unknown).length > 0 || (jkt === undefined && x5t === undefined)) return undefined;
  if ((jkt !== undefined && !isThumbprint(jkt)) || (x5t !== undefined && !isThumbprint(x5t))) return undefined;
  return Object.freeze({ ...(jkt !== undefined && { dpopKey: jkt }), ...(x5t !== undefined && { certificate: x5t }) });
}

function isThumbprint(value: unknown): value is string {
  return typeof value === 'string' && THUMBPRINT.test(value);
}
