import { decodeProtectedHeader } from 'jose';
import type { AdapterPayload, KoaContextWithOIDC } from 'oidc-provider';
import { errors } from 'oidc-provider';
import type { RemoteKeys } from '../client-metadata/remote-keys.ts';
import { type FailureLimit, networkOf } from '../http/failure-limit.ts';
import { requestContext } from '../http/request-context.ts';

/** How many documents one network may make this server fetch, in how long. */
export const DOCUMENT_FETCH_LIMIT = { name: 'document-fetch', failures: 60, windowSeconds: 60 } as const;

/** The client may be all right, but what it takes to know cannot be had: a reason to come back, not to register anew. */
export class MetadataUnreachable extends errors.CustomOIDCProviderError {
  constructor(detail: string) {
    super('temporarily_unavailable', `the client's metadata cannot be fetched: ${detail}`);
    Object.assign(this, { status: 503, statusCode: 503 });
  }
}

/** Whether the network that a request comes from may make this server fetch one more document. */
export async function admitsFetch(ctx: KoaContextWithOIDC, limit: FailureLimit): Promise<boolean> {
  return (await limit.take(networkOf(requestContext(ctx).address))).allowed;
}

/** The id of the key that a request says it is signed with; nothing is verified here. */
export function namedKeyOf(ctx: KoaContextWithOIDC | undefined): string | undefined {
  const assertion: unknown = ctx?.oidc.params?.client_assertion;
  if (typeof assertion !== 'string') return undefined;
  try {
    return decodeProtectedHeader(assertion).kid;
  } catch {
    return undefined;
  }
}

/**
 * A client that registered a `jwks_uri`, with the keys that stand there, for a request that is signed with one of
 * them. Every other request does without, so that naming a client fetches nothing.
 * @throws {MetadataUnreachable} when its keys cannot be had.
 */
export async function withRegisteredKeys(
  client: AdapterPayload,
  { ctx, remoteKeys, limit }: { ctx: KoaContextWithOIDC; remoteKeys: RemoteKeys; limit: FailureLimit },
): Promise<AdapterPayload> {
  const { jwks_uri: uri, ...rest } = client;
  if (uri === undefined || ctx.oidc.params?.client_assertion === undefined) return client;
  const found = await remoteKeys(uri, { kid: namedKeyOf(ctx), admit: () => admitsFetch(ctx, limit) });
  if (!found.ok) throw new MetadataUnreachable(`its keys: ${found.reason}`);
  return { ...rest, jwks: { keys: found.keys } };
}
