import type { ClientStore } from '@portcullis/persistence';
import type { Clock } from '@portcullis/platform';

/** The id and secret of a client. */
export type ClientCredentials = { id: string; secret: string };

/**
 * Reads HTTP Basic credentials; both parts are form-encoded before they are joined.
 *
 * @see RFC 6749 section 2.3.1
 */
export function basicCredentials(authorization: string): ClientCredentials | undefined {
  const encoded = /^basic +([A-Za-z0-9+/]+={0,2})$/i.exec(authorization)?.[1];
  const text = encoded === undefined ? '' : Buffer.from(encoded, 'base64').toString('utf8');
  const separator = text.indexOf(':');
  if (separator < 1) return undefined;
  const [id, secret] = [formDecoded(text.slice(0, separator)), formDecoded(text.slice(separator + 1))];
  return id === undefined || !CLIENT_ID.test(id) || !secret ? undefined : { id, secret };
}

/** What a client id is made of (RFC 6749, appendix A.1). */
const CLIENT_ID = /^[\x20-\x7e]+$/;

function formDecoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch {
    return undefined;
  }
}

/** The resource whose server has these credentials now; undefined for every other client and every other secret. */
export async function resourceOf(
  { id, secret }: ClientCredentials,
  { clients, clock }: { clients: ClientStore; clock: Clock },
): Promise<string | undefined> {
  const now = clock();
  const client = await clients.find({ id, now });
  if (client?.state !== 'active') return undefined;
  return (await clients.holdsSecret({ id, secret, now })) ? client.resourceServer : undefined;
}
