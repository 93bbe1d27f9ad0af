import { basicAuthorization } from './client-credentials.ts';
import { fetchJsonObject } from './fetch-json.ts';
import { fetchIssuerMetadata } from './issuer-metadata.ts';

/** How a guard asks its issuer about a token. `url` skips the issuer's metadata. */
export type IntrospectionSettings = Readonly<{
  issuer: string;
  clientId: string;
  clientSecret: string;
  url: string | undefined;
  timeoutMs: number;
  fetch: typeof globalThis.fetch;
}>;

/**
 * Asks the issuer about one token.
 *
 * @returns what it says of a token that is active for this resource server; undefined for every other token
 * @throws Error when the issuer cannot be asked, or does not know this resource server
 */
export type Introspect = (
  token: string,
  /** Whether there is reason to believe that there is such a token. */
  standing: 'known' | 'unknown',
) => Promise<Record<string, unknown> | undefined>;

/** Beyond this many at once nobody is asked: strings that only look like tokens must not exhaust the issuer. */
const SIMULTANEOUS = 64;

/** So many of them are kept for known tokens, whose users a flood of such strings must not shut out. */
const FOR_KNOWN = 32;

/** @see RFC 7662 section 2 */
export function createIntrospect(settings: IntrospectionSettings): Introspect {
  let endpoint: Promise<string> | undefined;
  let underWay = 0;

  async function ask(token: string): Promise<Record<string, unknown> | undefined> {
    endpoint ??= findEndpoint(settings);
    const found = endpoint;
    const url = await found.catch((cause: unknown) => {
      if (endpoint === found) endpoint = undefined;
      throw cause;
    });
    const answer = await fetchJsonObject(url, settings, {
      method: 'POST',
      headers: { authorization: basicAuthorization(settings) },
      body: new URLSearchParams({ token }),
    });
    if (typeof answer.active !== 'boolean') throw new Error('the answer says nothing of whether the token is active');
    return answer.active ? answer : undefined;
  }

  return async (token, standing) => {
    if (underWay >= (standing === 'known' ? SIMULTANEOUS : SIMULTANEOUS - FOR_KNOWN))
      throw new Error('too many tokens are being asked about');
    underWay += 1;
    try {
      return await ask(token);
    } finally {
      underWay -= 1;
    }
  };
}

async function findEndpoint({ url, issuer, ...settings }: IntrospectionSettings): Promise<string> {
  const endpoint = url ?? (await fetchIssuerMetadata(issuer, settings)).introspection_endpoint;
  if (typeof endpoint !== 'string') throw new Error('the issuer names no introspection_endpoint');
  return endpoint;
}
