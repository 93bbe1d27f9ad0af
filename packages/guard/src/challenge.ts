/** The auth-params of a `Bearer` challenge. */
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
 * Writes a `WWW-Authenticate` value: `Bearer` alone and first, each parameter once and quoted, for clients find
 * them by pattern. `scope` is left out when there is none.
 *
 * @throws TypeError when a value cannot stand in a quoted string. It is never escaped: clients do not unescape.
 * @see RFC 6750 section 3, RFC 9728 section 5.1
 */
export function bearerChallenge(parameters: ChallengeParameters): string {
  const { realm, error, description, scopes, resourceMetadataUrl } = parameters;
  const pairs: [string, string | undefined][] = [
    ['realm', realm],
    ['error', error],
    ['error_description', description],
    ['resource_metadata', resourceMetadataUrl],
    ['scope', scopes.length > 0 ? scopes.join(' ') : undefined],
  ];
  return `Bearer ${pairs.flatMap(([name, value]) => (value === undefined ? [] : [quoted(name, value)])).join(', ')}`;
}

function quoted(name: string, value: string): string {
  if (!QUOTABLE.test(value)) throw new TypeError(`${name} has a character that a challenge cannot carry`);
  return `${name}="${value}"`;
}
