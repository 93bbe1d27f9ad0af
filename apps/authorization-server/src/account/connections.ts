import {
  createAuditLog,
  createGrantStore,
  type Database,
  type GrantStore,
  inTransaction,
  type NarrowResult,
  type RecordedGrant,
} from '@portcullis/persistence';
import type { AuditEvent } from '@portcullis/platform';
import type { Context } from 'koa';
import { requestContext } from '../http/request-context.ts';
import type { RequestingClient } from '../interactions/requesting-client.ts';
import type { ConnectedApp, Connection } from '../pages/account-connections.ts';
import type { BoundForm } from '../pages/form-parts.ts';
import type { ResourceCatalogue } from '../resource-catalogue.ts';
import { findResource, type Resource } from '../resources.ts';

/** More installations than anybody looks through; the oldest are left out, and "disconnect every app" reaches them. */
const SHOWN = 200;

/** What showing connections needs. */
export type ConnectionsDeps = {
  grants: GrantStore;
  catalogue: ResourceCatalogue;
  /** The client behind a grant, as the user was shown it. */
  clientOf(grant: RecordedGrant): Promise<RequestingClient | undefined>;
};

/** Everything that is connected for a user, by client, each of its installations one grant. */
export async function connectedApps(
  { userId, now, form }: { userId: string; now: Date; form(path: string): BoundForm },
  { grants, catalogue, clientOf }: ConnectionsDeps,
): Promise<ConnectedApp[]> {
  const live = await grants.list({ userId, limit: SHOWN, now });
  const decided = live.filter((grant) => Object.keys(grant.resources).length > 0);
  const resources = await catalogue.findAll([...new Set(decided.flatMap((grant) => Object.keys(grant.resources)))]);
  return Promise.all(
    [...Map.groupBy(decided, ({ clientId }) => clientId)].map(async ([clientId, [newest, ...others]]) => {
      const installations = newest ? [newest, ...others] : [];
      const client = newest && (await clientOf(newest));
      return {
        clientId,
        clientName: client?.clientName ?? newest?.clientName ?? 'An app that is gone',
        clientHost: client?.clientHost,
        installations: installations.map((grant) => shown(grant, { resources, form })),
        disconnectApp: form('/apps/disconnect'),
      };
    }),
  );
}

function shown(
  grant: RecordedGrant,
  { resources, form }: { resources: readonly Resource[]; form(path: string): BoundForm },
): Connection {
  return {
    grantId: grant.id,
    allowedAt: grant.issuedAt,
    lastUsedAt: grant.lastUsedAt,
    disconnect: form(`/connections/${grant.id}/disconnect`),
    narrow: grant.identityProvider === undefined ? form(`/connections/${grant.id}/scopes`) : undefined,
    allowedBy: grant.identityProvider,
    resources: Object.entries(grant.resources).map(([url, scopes]) => {
      const resource = findResource(resources, url);
      return {
        url,
        name: resource?.name ?? url,
        scopes: scopes.map((name) => ({ name, description: resource?.scopes[name]?.description ?? name })),
      };
    }),
  };
}

/** What changing a connection needs. */
export type ConnectionChange = { database: Database; userId: string; now: Date };

/** Revokes one grant of a user. False when the user has none by that id. */
export function disconnect(
  ctx: Context,
  grantId: string,
  { database, userId, now }: ConnectionChange,
): Promise<boolean> {
  return inTransaction(database, async (within) => {
    const grants = createGrantStore(within);
    const grant = await grants.find({ id: grantId, now });
    if (grant?.userId !== userId || !(await grants.revoke({ id: grantId, now }))) return false;
    await createAuditLog(within).record(revocation(ctx, { userId, now, grant: { ...grant, id: grantId } }));
    return true;
  });
}

/** Revokes all grants of a user, or those for one client. */
export function disconnectAll(
  ctx: Context,
  clientId: string | undefined,
  { database, userId, now }: ConnectionChange,
): Promise<void> {
  return inTransaction(database, async (within) => {
    const revoked = await createGrantStore(within).revokeAll({ userId, clientId, now });
    const audit = createAuditLog(within);
    for (const grant of revoked) await audit.record(revocation(ctx, { userId, now, grant }));
  });
}

/** Leaves a grant of a user no more than `scopes` for a resource. */
export function narrow(
  ctx: Context,
  asked: { id: string; resource: string; scopes: readonly string[] },
  { database, userId, now }: ConnectionChange,
): Promise<NarrowResult> {
  return inTransaction(database, async (within) => {
    const result = await createGrantStore(within).narrow({ ...asked, userId, now });
    if (!result.ok || result.removed.length === 0) return result;
    const { address, correlationId } = requestContext(ctx);
    await createAuditLog(within).record({
      time: now,
      type: 'grant.narrowed',
      outcome: 'success',
      subject: userId,
      client: result.clientId,
      resource: asked.resource,
      address,
      correlationId,
      detail: { grantId: asked.id, kept: result.kept.join(' '), removed: result.removed.join(' '), by: 'account page' },
    });
    return result;
  });
}

function revocation(
  ctx: Context,
  { userId, now, grant }: { userId: string; now: Date; grant: { id: string; clientId: string } },
): AuditEvent {
  const { address, correlationId } = requestContext(ctx);
  return {
    time: now,
    type: 'grant.revoked',
    outcome: 'success',
    subject: userId,
    client: grant.clientId,
    address,
    correlationId,
    detail: { grantId: grant.id, by: 'account page' },
  };
}
