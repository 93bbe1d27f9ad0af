import type { Adapter, AdapterFactory } from 'oidc-provider';
import type { Database } from '../database.ts';
import type { AdapterDependencies, EngineAdapterOptions } from './adapter-dependencies.ts';
import { authorizationCodesAdapter } from './authorization-codes.ts';
import { clientsAdapter } from './clients.ts';
import { engineRecordsAdapter } from './engine-records.ts';
import { grantsAdapter } from './grants.ts';
import { interactionsAdapter } from './interactions.ts';
import { refreshTokensAdapter } from './refresh-tokens.ts';
import { replayedIdentifiersAdapter } from './replayed-identifiers.ts';
import { sessionsAdapter } from './sessions.ts';

/**
 * The engine's storage, for its `adapter` setting. No bearer value is stored; what has expired by the clock is not found;
 * of several who consume one thing at once one wins and the others get `invalid_grant`. Codes and refresh tokens cannot
 * be consumed through it: that and what is issued for them is one write, which a `RedemptionStore` makes.
 */
export function createEngineAdapter(database: Database, options: EngineAdapterOptions): AdapterFactory {
  return (model) => adapterFor(model, { ...options, database, prisma: database.prisma });
}

function adapterFor(model: string, dependencies: AdapterDependencies): Adapter {
  switch (model) {
    case 'Client':
      return clientsAdapter(dependencies);
    case 'Grant':
      return grantsAdapter(dependencies);
    case 'AuthorizationCode':
      return authorizationCodesAdapter(dependencies);
    case 'RefreshToken':
      return refreshTokensAdapter(dependencies);
    case 'ReplayDetection':
      return replayedIdentifiersAdapter(dependencies);
    case 'Session':
      return sessionsAdapter(dependencies);
    case 'Interaction':
      return interactionsAdapter(dependencies);
    default:
      return engineRecordsAdapter(model, dependencies);
  }
}
