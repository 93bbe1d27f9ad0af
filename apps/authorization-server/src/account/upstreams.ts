import {
  createAuditLog,
  createGrantStore,
  createUpstreamConnectionStore,
  type Database,
  type Envelope,
  inTransaction,
  type UpstreamConnectionStore,
} from '@portcullis/persistence';
import type { Context } from 'koa';
import { requestContext } from '../http/request-context.ts';
import type { ConnectedUpstream } from '../pages/account-upstreams.ts';
import type { BoundForm } from '../pages/form-parts.ts';
import type { Connector } from '../upstream/connector.ts';
import type { ConnectionsDeps } from './connections.ts';

/** What showing accounts elsewhere needs. */
export type UpstreamsDeps = Pick<ConnectionsDeps, 'grants' | 'clientOf'> & {
  upstreamConnections: UpstreamConnectionStore;
  connectors: ReadonlyMap<string, Connector>;
};

/** The accounts elsewhere of a user, with the apps that work with each. */
export async function connectedUpstreams(
  { userId, now, form }: { userId: string; now: Date; form(path: string): BoundForm },
  { upstreamConnections, connectors, grants, clientOf }: UpstreamsDeps,
): Promise<ConnectedUpstream[]> {
  const connections = await upstreamConnections.list({ userId });
  return Promise.all(
    connections.map(async ({ id, upstream, label, subject, scopes, connectedAt, ended }) => {
      const known = connectors.get(upstream)?.upstream;
      const using = await upstreamConnections.grantsOf(id);
      const apps = await Promise.all(
        using.map(async ({ grantId, clientId }) => {
          const grant = await grants.find({ id: grantId, now });
          return (grant && (await clientOf(grant))?.clientName) ?? clientId;
        }),
      );
      return {
        upstreamName: known?.name ?? upstream,
        account: label ?? subject,
        connectedAt,
        ended,
        scopes: scopes.map((name) => ({ name, description: known?.scopes[name] ?? name })),
        apps: [...new Set(apps)],
        disconnect: form(`/upstreams/${id}/disconnect`),
      };
    }),
  );
}

/**
 * Ends every grant that may use a connection of the user's, so that resource servers refuse their tokens and nothing is
 * exchanged any more. What no grant may use is then revoked at the upstream.
 */
export function disconnectUpstream(
  ctx: Context,
  id: string,
  { database, envelope, userId, now }: { database: Database; envelope: Envelope; userId: string; now: Date },
): Promise<void> {
  return inTransaction(database, async (within) => {
    const connections = createUpstreamConnectionStore(within, envelope);
    const connection = (await connections.list({ userId })).find((own) => own.id === id);
    if (!connection) return;
    const ended = await connections.grantsOf(id);
    for (const { grantId } of ended) await createGrantStore(within).revoke({ id: grantId, now });
    const { address, correlationId } = requestContext(ctx);
    await createAuditLog(within).record({
      time: now,
      type: 'upstream.disconnected',
      outcome: 'success',
      subject: userId,
      address,
      correlationId,
      detail: {
        upstream: connection.upstream,
        upstreamSubject: connection.subject,
        grants: ended.map(({ grantId }) => grantId),
        by: 'account page',
      },
    });
  });
}
