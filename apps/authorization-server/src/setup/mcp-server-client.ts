import { createClientStore, type Database, inTransaction } from '@portcullis/persistence';
import { type Secret, StartupError } from '@portcullis/platform';
import { resourceServerClient } from '../resource-server-client.ts';
import type { Resource } from '../resources.ts';

/** The client that the bundled MCP server is here, as the environment of both servers says. */
export type McpServerCredentials = { clientId: string; secret: Secret };

/** For how long a secret that was replaced is still good, so that servers with the new one can come up one by one. */
const OVERLAP_SECONDS = 600;

/**
 * Sees to it that the MCP server can authenticate with the secret that it was given: registers its clients, one for each
 * of its resources, where there are none, and takes the secret where it is another one. A client that an administrator disabled stays so.
 *
 * @throws {StartupError} when the id, or the resource, belongs to another client
 */
export async function prepareMcpServerClient(
  credentials: McpServerCredentials | undefined,
  { database, resources, now }: { database: Database; resources: readonly Resource[]; now: Date },
): Promise<void> {
  if (!credentials) return;
  const { clientId, secret } = credentials;
  for (const [index, resource] of resources.entries()) {
    // Each resource has a client of its own. The second one, where the desk is split, is the one that acts.
    const own = { clientId: index === 0 ? clientId : `${clientId}-act`, secret };
    // Of several replicas that start at once one registers the client; the others see it when they look again.
    await inTransaction(database, (within) => prepareWithin(within, { credentials: own, resource, now }));
  }
}

async function prepareWithin(
  within: Database,
  { credentials, resource, now }: { credentials: McpServerCredentials; resource: Resource; now: Date },
): Promise<void> {
  const clients = createClientStore(within);
  const { clientId: id } = credentials;
  const secret = credentials.secret.reveal();
  const client = await clients.find({ id, now });
  if (client?.resourceServer === resource.url) {
    if (await clients.holdsSecret({ id, secret, now })) return;
    await clients.rotateSecret({ id, secret, overlapSeconds: OVERLAP_SECONDS, now });
    return;
  }
  if (client && client.resourceServer === undefined) throw new StartupError(TAKEN_ID);
  // The MCP server has moved to another address.
  if (client) await clients.delete({ id, now });
  const other = await clients.findResourceServer({ url: resource.url, now });
  if (other) throw new StartupError(takenResource(other.id));
  const made = resourceServerClient(resource, { authentication: { method: 'client_secret_basic' }, now });
  await clients.register({ ...made, metadata: { ...made.metadata, client_id: id }, secret });
}

const TAKEN_ID =
  'PORTCULLIS_MCP_CLIENT_ID is the id of a client that is no server of a resource. Set it to another id, for both servers.';

function takenResource(clientId: string): string {
  return `The MCP server has the client ${clientId} already. Set PORTCULLIS_MCP_CLIENT_ID to that for both servers, or delete the client.`;
}
