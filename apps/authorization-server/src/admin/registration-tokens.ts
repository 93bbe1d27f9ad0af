import { createRegistrationTokenStore, type Database } from '@portcullis/persistence';
import { type AdminHandlers, refuse } from './handler.ts';
import { FOREIGN_CURSOR, pageOf, placeInTime, placeOf } from './page-cursor.ts';
import { recordedChange } from './recorded-change.ts';

type TokenOperation = 'listRegistrationTokens' | 'issueRegistrationToken' | 'revokeRegistrationToken';

/** The operations on the tokens with which apps register. */
export function registrationTokenHandlers(database: Database): AdminHandlers<TokenOperation> {
  return {
    async listRegistrationTokens({ query: { cursor, limit }, now }) {
      const position = cursor === undefined ? undefined : placeOf(cursor, placeInTime);
      if (cursor !== undefined && !position) return refuse(FOREIGN_CURSOR);
      const after = position && { createdAt: position[0], id: position[1] };
      const tokens = await createRegistrationTokenStore(database).list({ after, limit: limit + 1, now });
      const item = ({ id, name, uses, maxUses, ...times }: (typeof tokens)[number]) => ({
        id,
        name,
        uses,
        maxUses: maxUses ?? null,
        createdAt: times.createdAt.toISOString(),
        expiresAt: times.expiresAt.toISOString(),
        lastUsedAt: times.lastUsedAt?.toISOString() ?? null,
        revokedAt: times.revokedAt?.toISOString() ?? null,
      });
      return { ok: true, answer: pageOf(tokens, { limit, place: ({ createdAt, id }) => [createdAt, id], item }) };
    },
    issueRegistrationToken: (call) =>
      recordedChange(database, call, async (within) => {
        const { name, maxUses, ttlSeconds } = call.body;
        const { now } = call;
        const { id, token } = await createRegistrationTokenStore(within).issue({ name, maxUses, ttlSeconds, now });
        const expiresAt = new Date(now.getTime() + ttlSeconds * 1000).toISOString();
        return {
          ok: true,
          answer: { id, token, expiresAt },
          event: { type: 'registration_token.issued', detail: { registrationToken: id, name, maxUses, expiresAt } },
        };
      }),
    revokeRegistrationToken: (call) =>
      recordedChange(database, call, async (within) => {
        const id = call.params.token ?? '';
        const revoked = await createRegistrationTokenStore(within).revoke({ id, now: call.now });
        if (!revoked) return refuse({ reason: 'not_found', what: 'such token, or it was revoked before' });
        return {
          ok: true,
          answer: { id },
          event: { type: 'registration_token.revoked', detail: { registrationToken: id } },
        };
      }),
  };
}
