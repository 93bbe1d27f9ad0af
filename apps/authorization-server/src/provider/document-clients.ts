import type { ClientMetadata, KoaContextWithOIDC } from 'oidc-provider';
import { type AdapterFactory, errors, default as Provider } from 'oidc-provider';
import type {
  ClientDocuments,
  DocumentClient,
  DocumentClientResult,
  DocumentRefusal,
} from '../client-metadata/client-documents.ts';
import type { FailureLimit } from '../http/failure-limit.ts';
import { admitsFetch, MetadataUnreachable, namedKeyOf } from './remote-metadata.ts';

/** A client that names itself by a URL and cannot be used, at the authorization endpoint. */
export class DocumentClientProblem extends errors.InvalidClient {
  readonly clientId: string;
  readonly refusal: DocumentRefusal;

  constructor(clientId: string, refusal: DocumentRefusal) {
    super('client is invalid', refusal.detail);
    this.clientId = clientId;
    this.refusal = refusal;
  }
}

/** What looking up such clients needs. */
export type DocumentClientOptions = {
  documents: ClientDocuments;
  fetchLimit: FailureLimit;
  /** The engine's store, to learn which grant a code or refresh token belongs to. */
  store: AdapterFactory;
};

/** The metadata of a client that names itself by a URL, as the engine's adapter has to give it for this request. */
export function findDocumentClient(options: DocumentClientOptions) {
  return async (clientId: string): Promise<ClientMetadata> => {
    const ctx = Provider.ctx;
    const result = await clientFor(ctx, { ...options, clientId });
    if (result.ok) return { ...result.client };
    throw problemOf(ctx, { clientId, refusal: result.refusal });
  };
}

/** The engine's `extraParams`: an authorization remembers which version of the document it began with. */
export const documentVersionParameter = {
  client_document: (ctx: KoaContextWithOIDC) => {
    const version = documentOf(ctx.oidc.client)?.version;
    if (ctx.oidc.params) ctx.oidc.params.client_document = version;
  },
};

/** Which version of its document a client came from, and what of it a user agrees to; undefined for all other clients. */
export function documentOf(client: unknown): DocumentClient['client_document'] | undefined {
  const document: unknown =
    typeof client === 'object' && client !== null && 'client_document' in client ? client.client_document : undefined;
  if (typeof document !== 'object' || document === null) return undefined;
  if (!('version' in document && 'fingerprint' in document)) return undefined;
  return { version: String(document.version), fingerprint: String(document.fingerprint) };
}

type Lookup = DocumentClientOptions & { clientId: string };

/**
 * An authorization sees one version of the document from its first request to its last, and its tokens are for that
 * one; but at each step the document of today must still be there.
 */
async function clientFor(ctx: KoaContextWithOIDC | undefined, lookup: Lookup): Promise<DocumentClientResult> {
  const { documents, clientId } = lookup;
  const admit = ctx && (() => admitsFetch(ctx, lookup.fetchLimit));
  const route: string | undefined = ctx?.oidc.route;
  if (!ctx || route === 'authorization') return documents.findToShow(clientId, admit);
  const current = await documents.find(clientId, admit);
  if (!current.ok) return current;
  if (route === 'resume') {
    const shown = await versionAt(ctx.oidc.params?.client_document, lookup);
    return shown ? { ok: true, client: shown } : current;
  }
  const agreed = (route === 'token' && (await agreedClient(ctx, lookup))) || current.client;
  if (documents.isStandIn(agreed) && !ctx.oidc.params?.client_assertion)
    return { ok: true, client: withoutAuthentication(agreed) };
  return documents.withKeys({ agreed, current: current.client, kid: namedKeyOf(ctx), admit });
}

/** The client as the user agreed to it who gave the code or refresh token of this request; undefined where there is none. */
async function agreedClient(ctx: KoaContextWithOIDC, lookup: Lookup): Promise<DocumentClient | undefined> {
  const { code, refresh_token: refreshToken } = ctx.oidc.params ?? {};
  const source =
    typeof code === 'string'
      ? await lookup.store('AuthorizationCode').find(code)
      : typeof refreshToken === 'string'
        ? await lookup.store('RefreshToken').find(refreshToken)
        : undefined;
  if (!source?.grantId || source.clientId !== lookup.clientId) return undefined;
  const agreed = await versionAt(await lookup.documents.versionOfGrant(source.grantId), lookup);
  if (!agreed) throw new errors.InvalidGrant('the document that the user agreed to is gone');
  return agreed;
}

async function versionAt(version: unknown, { documents, clientId }: Lookup): Promise<DocumentClient | undefined> {
  return typeof version === 'string' ? documents.atVersion(clientId, version) : undefined;
}

/**
 * A document of ours names a client's choices, and its keys may be as much out of reach as its own document. A client
 * that sends no assertion then chose the other way; one that sends an assertion is held to it.
 */
function withoutAuthentication(client: DocumentClient): DocumentClient {
  const { jwks, jwks_uri, token_endpoint_auth_signing_alg, ...rest } = client;
  return { ...rest, token_endpoint_auth_method: 'none' };
}

function problemOf(
  ctx: KoaContextWithOIDC | undefined,
  { clientId, refusal }: { clientId: string; refusal: DocumentRefusal },
): Error {
  const route: string | undefined = ctx?.oidc.route;
  if (route === undefined || route === 'authorization' || route === 'resume')
    return new DocumentClientProblem(clientId, refusal);
  return refusal.reason === 'unreachable'
    ? new MetadataUnreachable(refusal.detail)
    : new errors.InvalidClientAuth(refusal.detail);
}
