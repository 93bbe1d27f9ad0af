import {
  createAuditLog,
  createPersonalAccessTokenStore,
  createUserStore,
  type Database,
  inTransaction,
  type PersonalAccessToken,
} from '@portcullis/persistence';
import type { ResourceCatalogue } from '../resource-catalogue.ts';
import type { AskingClient } from '../revocation/asking-client.ts';
import type { RolePermissions } from '../roles.ts';
import { clientOfToken, tokenDetail } from './issue.ts';
import { tokenScopesAt } from './token-request.ts';

/** What judging tokens needs. */
export type PersonalAccessTokenDeps = {
  database: Database;
  issuer: string;
  catalogue: ResourceCatalogue;
  roles: RolePermissions;
};

/** One question about a token: by the server of `resource`, at `now`. */
type Question = { resource: string; asking: AskingClient; now: Date };

/**
 * Says what a personal access token is worth at the resource whose server asks, at this moment: no more than its user's
 * present roles permit there. That it was used is recorded, once a minute.
 *
 * @returns undefined for a token of another resource, and for one that is worth nothing
 * @see RFC 7662 section 2.2
 */
export async function introspectPersonalAccessToken(
  token: string,
  question: Question,
  deps: PersonalAccessTokenDeps,
): Promise<Readonly<Record<string, unknown>> | undefined> {
  const { resource: url, now } = question;
  const record = await createPersonalAccessTokenStore(deps.database).findByValue({ token, now });
  if (record?.resource !== url) return undefined;
  const [user, resource] = await Promise.all([
    createUserStore(deps.database).findById(record.userId),
    deps.catalogue.find(url),
  ]);
  if (!user || user.disabledAt || !resource) return undefined;
  const permitted = tokenScopesAt(resource, { roles: user.roles, permissions: deps.roles });
  const scopes = record.scopes.filter((scope) => permitted.includes(scope));
  if (scopes.length === 0) return undefined;
  await recordUse(record, question, deps);
  return {
    iss: deps.issuer,
    sub: user.id,
    aud: url,
    client_id: clientOfToken(record),
    scope: scopes.join(' '),
    roles: user.roles,
    iat: seconds(record.createdAt),
    exp: seconds(record.expiresAt),
    jti: record.id,
    gid: record.id,
    token_type: 'Bearer',
  };
}

async function recordUse(
  record: PersonalAccessToken,
  { asking, now }: Question,
  { database }: PersonalAccessTokenDeps,
): Promise<void> {
  const { id, userId: subject, resource } = record;
  await inTransaction(database, async (within) => {
    if (!(await createPersonalAccessTokenStore(within).noteUse({ id, now }))) return;
    await createAuditLog(within).record({
      time: now,
      type: 'personal_access_token.used',
      outcome: 'success',
      subject,
      client: clientOfToken(record),
      resource,
      address: asking.address,
      correlationId: asking.correlationId,
      detail: { ...tokenDetail(record), askedBy: asking.clientId },
    });
  });
}

function seconds(moment: Date): number {
  return Math.floor(moment.getTime() / 1000);
}
