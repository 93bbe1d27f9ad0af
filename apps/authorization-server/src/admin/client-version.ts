import { createHash } from 'node:crypto';
import type { RegisteredClient } from '@portcullis/persistence';
import type { AdminRefusal } from './problem.ts';

/** Another text for another state of what an administrator looks at. */
function versionOf(text: string): string {
  return createHash('sha256').update(text).digest('base64url').slice(0, 22);
}

/** Changes with whatever a client says about itself, and with its limits. */
export function versionOfClient(client: RegisteredClient): string {
  const { metadata, firstParty, allowedScopes, allowedResources } = client;
  return versionOf(JSON.stringify([metadata, firstParty, allowedScopes ?? null, allowedResources ?? null]));
}

/** Changes with the document that a client names itself by; one that is not known has a version too. */
export function versionOfDocument(text: string | undefined): string {
  return text === undefined ? 'unknown' : versionOf(text);
}

/** A decision is about what was looked at, and what has changed since has to be looked at again. */
export const CHANGED_SINCE: AdminRefusal = {
  reason: 'conflict',
  detail: 'This client has changed since you looked at it. Nothing was decided; look at it again.',
};
