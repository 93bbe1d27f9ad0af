import type { Adapter } from 'oidc-provider';
import { IDENTIFIER_IN_USE } from '../statements/lookups.ts';
import { hashToken } from '../token-hash.ts';
import { createIdentifierUse } from '../used-identifier.ts';
import type { AdapterDependencies } from './adapter-dependencies.ts';
import { adapterOf } from './adapter-of.ts';
import { requiredExpiryOf } from './payload-form.ts';

/**
 * Identifiers that may be used once (`jti` of client assertions, RFC 7523, section 3).
 * The engine looks first and writes then; of several at once the first to write wins, and the others are refused.
 */
export function replayedIdentifiersAdapter({ database, prisma, clock, errors }: AdapterDependencies): Adapter {
  const use = createIdentifierUse(database);
  return adapterOf('ReplayDetection', {
    upsert: async (identifier, payload, expiresIn) => {
      const now = clock();
      const until = requiredExpiryOf(payload, expiresIn, now);
      if (!(await use({ identifier, until, now })))
        throw new errors.InvalidClientAuth('the identifier was used before');
    },
    find: async (identifier) => {
      const [row] = await database.statements.run(IDENTIFIER_IN_USE, hashToken(identifier), clock());
      return row ? { jti: identifier, kind: 'ReplayDetection' } : undefined;
    },
    destroy: async (identifier) => {
      await prisma.replayedIdentifier.deleteMany({ where: { id: hashToken(identifier) } });
    },
  });
}
