/** The auth-params of a challenge. */
export type ChallengeParameters = Readonly<{
  realm: string;
  error?: string | undefined;
  description?: string | undefined;
  scopes: readonly string[];
  resourceMetadataUrl: string;
}>;

/** What RFC 6750 section 3 lets stand between the quotes: printable ASCII but for `"` and `\`. */
export const QUOTABLE = /^[\x20\x21\x23-\x5b\x5d-\x7e]*$/;

/**
 * Writes a `Bearer` challenge: each parameter once and quoted, for clients find them by pattern. `scope` is left out
 * when there is none.
 *
 * @throws TypeError when a value cannot stand in a quoted string. It is never escaped: clients do not unescape.
 * @see RFC 6750 section 3, RFC 9728 section 5.1
 */
export function bearerChallenge(parameters: ChallengeParameters): string {
  return challenge('Bearer', pairsOf(parameters));
}

/**
 * Writes a `DPoP` challenge with the algorithms that proofs may have. Without `parameters` it is the short form that
 * stands behind a `Bearer` challenge, whose parameters clients would otherwise find twice.
 *
 * @throws TypeError as {@link bearerChallenge} does
 * @see RFC 9449 section 7.1
 */
export function dpopChallenge(algorithms: readonly string[], parameters?: ChallengeParameters): string {
  return challenge('DPoP', [...(parameters ? pairsOf(parameters) : []), ['algs', algorithms.join(' ')]]);
}

type Pair = [name: string, value: string | undefined];

function pairsOf({ realm, error, description, scopes, resourceMetadataUrl }: ChallengeParameters): Pair[] {
  return [
    ['realm', realm],
    ['error', error],
    ['error_description', description],
    ['resource_metadata', resourceMetadataUrl],
    ['scope', scopes.length > 0 ? scopes.join(' ') : undefined],
  ];
}

function challenge(scheme: string, pairs: readonly Pair[]): string {
  return `${scheme} ${pairs.flatMap(([name, value]) => (value === undefined ? [] : [quoted(name, value)])).join(', ')}`;
}

function quoted(name: string, value: string): string {
  if (!QUOTABLE.test(value)) throw new TypeError(`${name} has a character that a challenge cannot carry`);
  return `${name}="${value}"`;
}
