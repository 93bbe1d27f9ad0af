import type { Site } from '../site.ts';
import type { AdminHandlers } from './handler.ts';

/** Tells an administrator who they are here. */
export function statusHandler({ issuer }: Site): AdminHandlers<'status'> {
  return {
    async status({ by }) {
      const { kind, subject, email, clientId, roles, scopes, expiresAt } = by;
      return {
        ok: true,
        answer: {
          issuer,
          kind,
          subject,
          clientId,
          roles: [...roles],
          scopes: [...scopes],
          expiresAt: expiresAt.toISOString(),
          ...(email !== undefined && { email }),
        },
      };
    },
  };
}
