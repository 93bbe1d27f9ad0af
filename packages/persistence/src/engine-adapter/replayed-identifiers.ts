import type { Adapter } from 'oidc-provider';
import { isUniqueViolation } from '../database.ts';
import { hashToken } from '../token-hash.ts';
import type { AdapterDependencies } from './adapter-dependencies.ts';
import { adapterOf } from './adapter-of.ts';
import { requiredExpiryOf } from './payload-form.ts';

/**
 * Identifiers that may be used once (`jti` of client assertions, RFC 7523, section 3).
 * The engine looks first and writes then; so that of several at once one wins, writing is an insert that fails for the others.
 */
export function replayedIdentifiersAdapter({ prisma, clock, errors }: AdapterDependencies): Adapter {
  return adapterOf('ReplayDetection', {
    upsert: async (identifier, payload, expiresIn) => {
      const id = hashToken(identifier);
      const now = clock();
      const expiresAt = requiredExpiryOf(payload, expiresIn, now);
      try {
        await prisma.replayedIdentifier.create({ data: { id, expiresAt } });
      } catch (error) {
        if (!isUniqueViolation(error)) throw error;
        const taken = await prisma.replayedIdentifier.updateMany({
          where: { id, expiresAt: { lte: now } },
          data: { expiresAt },
        });
        if (taken.count === 0) throw new errors.InvalidClientAuth('the identifier was used before');
      }
    },
    find: async (identifier) => {
      const row = await prisma.replayedIdentifier.findUnique({ where: { id: hashToken(identifier) } });
      return row && row.expiresAt > clock() ? { jti: identifier, kind: 'ReplayDetection' } : undefined;
    },
    destroy: async (identifier) => {
      await prisma.replayedIdentifier.deleteMany({ where: { id: hashToken(identifier) } });
    },
  });
}
