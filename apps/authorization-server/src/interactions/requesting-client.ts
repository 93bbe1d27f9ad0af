import { CLI_CLIENT_ID } from '@portcullis/platform';
import type { default as Provider } from 'oidc-provider';
import type { ClientDocuments } from '../client-metadata/client-documents.ts';
import { shownLogo } from '../logos/shown-logo.ts';
import type { PermissionsOf } from '../provider/client-permissions.ts';
import type { Site } from '../site.ts';

/** Who asks, as the pages show it. */
export type RequestingClient = {
  clientId: string;
  clientName: string;
  /** The host that vouches for the client; nobody vouches for one that registered itself. */
  clientHost: string | undefined;
  redirectUris: readonly string[];
  /** Its logo, where that may be shown. */
  logoUri: string | undefined;
  /** The version of its metadata document, and what of it a user agrees to; undefined for a client without one. */
  document: { version: string; fingerprint: string } | undefined;
};

/** What finding it needs; without `documents` no client names itself by a document. */
export type RequestingClientDeps = {
  provider: Provider;
  site: Site;
  documents: ClientDocuments | undefined;
  permissionsOf: PermissionsOf;
};

const NAMELESS = 'An app without a name';

/** The client of an authorization: with a metadata document, the version that the authorization began with. */
export async function findRequestingClient(
  params: Readonly<Record<string, unknown>>,
  { provider, site, documents, permissionsOf }: RequestingClientDeps,
): Promise<RequestingClient | undefined> {
  const { client_id: clientId, client_document: version } = params;
  if (typeof clientId !== 'string') return undefined;
  if (documents && typeof version === 'string') {
    const shown = await documents.atVersion(clientId, version);
    if (!shown) return undefined;
    return {
      clientId,
      clientName: shown.client_name,
      clientHost: new URL(clientId).host,
      redirectUris: shown.redirect_uris,
      logoUri: shownLogo({
        logoUri: shown.logo_uri,
        isFirstParty: false,
        document: { clientId, isVouchedFor: documents.isVouchedFor(clientId) },
      }),
      document: shown.client_document,
    };
  }
  const client = await provider.Client.find(clientId);
  if (!client) return undefined;
  const { clientName = NAMELESS, redirectUris = [] } = client;
  const isOurs = await isFirstParty(clientId, permissionsOf);
  return {
    clientId: client.clientId,
    clientName,
    clientHost: isOurs ? site.host : undefined,
    redirectUris,
    logoUri: shownLogo({ logoUri: client.logoUri, isFirstParty: isOurs }),
    document: undefined,
  };
}

/** Whether the operator of this server vouches for a client: its own command line, or one marked so by hand. */
async function isFirstParty(clientId: string, permissionsOf: PermissionsOf): Promise<boolean> {
  return clientId === CLI_CLIENT_ID || ((await permissionsOf(clientId))?.firstParty ?? false);
}
