import { CLI_CLIENT_ID } from '@portcullis/platform';
import type { Resource } from '../resources.ts';

/** What an administrator limits a client to. A list that is not there is no limit. */
export type ClientPermissions = {
  resources?: readonly string[] | undefined;
  scopes?: readonly string[] | undefined;
  /** Whether the operator vouches for the client. */
  firstParty?: boolean;
};

/** Finds the limits of a client; nothing for one that has none. */
export type PermissionsOf = (clientId: string) => Promise<ClientPermissions | undefined>;

/**
 * Whether a client may name a resource at all. A reserved one is open only to the command line, which has no other,
 * and to clients that an administrator gave it by name: whoever registered itself can never name it.
 */
export function mayNameResource(
  { clientId, permissions }: { clientId: string; permissions: ClientPermissions | undefined },
  resource: Resource,
): boolean {
  if (clientId === CLI_CLIENT_ID) return resource.reserved === true;
  if (resource.reserved) return permissions?.resources?.includes(resource.url) ?? false;
  return permissions?.resources?.includes(resource.url) ?? true;
}
