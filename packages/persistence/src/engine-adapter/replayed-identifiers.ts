import type { Adapter } from 'oidc-provider';
import { createIdentifierUse } from '../used-identifier.ts';
import type { AdapterDependencies } from './adapter-dependencies.ts';
import { adapterOf } from './adapter-of.ts';
import { requiredExpiryOf } from './payload-form.ts';

/**
 * Identifiers that may be used once (`jti` of client assertions, RFC 7523, section 3).
 * The engine looks first and writes then. The write alone tells who was first, so that looking is no trip and finds nothing.
 */
export function replayedIdentifiersAdapter({ database, clock, errors }: AdapterDependencies): Adapter {
  const use = createIdentifierUse(database);
  return adapterOf('ReplayDetection', {
    upsert: async (identifier, payload, expiresIn) => {
      const now = clock();
      const until = requiredExpiryOf(payload, expiresIn, now);
      if (!(await use({ identifier, until, now })))
        throw new errors.InvalidClientAuth('the identifier was used before');
    },
    find: async () => undefined,
  });
}
