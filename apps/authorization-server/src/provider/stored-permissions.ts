import type { ClientStore } from '@portcullis/persistence';
import type { Clock } from '@portcullis/platform';
import type { PermissionsOf } from './client-permissions.ts';

/** Reads the limits of a client where an administrator set them; a client without a row has none. */
export function storedPermissions(clients: ClientStore, clock: Clock): PermissionsOf {
  return async (id) => {
    const client = await clients.find({ id, now: clock() });
    return client?.state === 'active'
      ? { resources: client.allowedResources, scopes: client.allowedScopes, firstParty: client.firstParty }
      : undefined;
  };
}
