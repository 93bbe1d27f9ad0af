import { createGrantStore, createUserStore, type Database, type RecordedGrant } from '@portcullis/persistence';
import { CLI_CLIENT } from './admin-resource.ts';
import { type AdminHandlers, refuse } from './handler.ts';
import { FOREIGN_CURSOR, pageOf, placeInTime, placeOf } from './page-cursor.ts';
import { recordedChange } from './recorded-change.ts';

/** The operations on grants. */
export function grantHandlers(database: Database): AdminHandlers<'listGrants' | 'revokeGrant'> {
  return {
    async listGrants({ query: { cursor, limit, user, client }, now }) {
      const position = cursor === undefined ? undefined : placeOf(cursor, placeInTime);
      if (cursor !== undefined && !position) return refuse(FOREIGN_CURSOR);
      const userId = user?.includes('@') ? ((await createUserStore(database).findByEmail(user))?.id ?? user) : user;
      const grants = await createGrantStore(database).list({
        userId,
        clientId: client,
        after: position && { issuedAt: position[0], id: position[1] },
        limit: limit + 1,
        now,
      });
      return { ok: true, answer: pageOf(grants, { limit, place: ({ issuedAt, id }) => [issuedAt, id], item: shown }) };
    },
    revokeGrant: (call) =>
      recordedChange(database, call, async (within) => {
        const grants = createGrantStore(within);
        const grant = await grants.find({ id: call.params.grant ?? '', now: call.now });
        if (!grant || !(await grants.revoke({ id: grant.id, now: call.now })))
          return refuse({ reason: 'not_found', what: 'such grant' });
        const detail = { grantId: grant.id, user: grant.userId };
        return {
          ok: true,
          answer: { grant: shown(grant) },
          event: { type: 'grant.revoked', client: grant.clientId, detail },
        };
      }),
  };
}

function shown({ clientName, userEmail, ...grant }: RecordedGrant) {
  const builtIn = grant.clientId === CLI_CLIENT.client_id ? CLI_CLIENT.client_name : undefined;
  return {
    ...grant,
    userEmail: userEmail ?? null,
    clientName: clientName ?? builtIn ?? null,
    identityProvider: grant.identityProvider ?? null,
    issuedAt: grant.issuedAt.toISOString(),
    expiresAt: grant.expiresAt.toISOString(),
    lastUsedAt: grant.lastUsedAt?.toISOString() ?? null,
  };
}
