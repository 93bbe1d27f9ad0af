import {
  createPersonalAccessTokenStore,
  type Database,
  type GrantStore,
  PERSONAL_ACCESS_TOKENS_PER_USER,
  type RecordedGrant,
} from '@portcullis/persistence';
import { clientOfToken } from '../personal-access-tokens/issue.ts';

/** What a call came with: what its user allowed a client, or a token that they made themselves. */
export type AskingParty = { kind: 'grant'; grant: RecordedGrant } | { kind: 'token'; name: string };

/** The party as its token names it. */
type NamedParty = { userId: string; clientId: string; grantId: string; resource: string };

/** Finds it among what is alive for this user and resource; undefined where there is no such, or it is somebody else's. */
export async function findAskingParty(
  { userId, clientId, grantId, resource }: NamedParty,
  { database, grants, now }: { database: Database; grants: GrantStore; now: Date },
): Promise<AskingParty | undefined> {
  const grant = await grants.find({ id: grantId, now });
  if (grant) {
    const isTheirs = grant.userId === userId && grant.clientId === clientId;
    return isTheirs && grant.resources[resource] !== undefined ? { kind: 'grant', grant } : undefined;
  }
  const store = createPersonalAccessTokenStore(database);
  const tokens = await store.list({ userId, limit: PERSONAL_ACCESS_TOKENS_PER_USER, now });
  const token = tokens.find(({ id }) => id === grantId);
  const isTheirs = token?.resource === resource && clientOfToken(token) === clientId;
  return isTheirs ? { kind: 'token', name: token.name } : undefined;
}
