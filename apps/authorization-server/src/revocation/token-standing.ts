import type { ClientApprovalStore, ClientStore, ReadStanding } from '@portcullis/persistence';
import { looksLikeClientIdUrl } from '../client-metadata/client-id-url.ts';
import type { PermissionsOf } from '../provider/client-permissions.ts';
import { clientMemory } from '../provider/request-reads.ts';
import type { AccessTokenClaims } from './access-token-claims.ts';

/** What is asked about a token's standing. */
export type StandingDeps = {
  clients: ClientStore;
  approvals: ClientApprovalStore;
  readStanding: ReadStanding;
  permissionsOf: PermissionsOf;
};

/** The scopes that a verified access token is still worth. */
export type Standing = { ok: true; scopes: string[] } | { ok: false };

const ENDED: Standing = { ok: false };

/**
 * Judges, at this moment, what a verified token stands on: no revocation, its client and the limits that an
 * administrator sets it, and the user's grant.
 */
export async function standingOf(
  claims: AccessTokenClaims,
  { deps, now }: { deps: StandingDeps; now: Date },
): Promise<Standing> {
  const { grantId, audience, issuedAt, clientId, subject } = claims;
  const asked = { grantId, clientId, subject, resource: audience, issuedAt, now };
  const { isRevoked, client, grant, user } = await deps.readStanding(asked);
  if (isRevoked) return ENDED;
  // What comes next sees the client as it was at the same moment, where the request remembers what it has read.
  clientMemory()?.set(clientId, Promise.resolve(client));
  if (!(await mayAct(clientId, { deps, now }))) return ENDED;
  const limits = await deps.permissionsOf(clientId);
  if (limits?.resources && !limits.resources.includes(audience)) return ENDED;
  const scopes = scopesOf(claims).filter((scope) => limits?.scopes?.includes(scope) ?? true);
  if (subject === clientId) return { ok: true, scopes };
  const granted = grant?.userId === subject && grant.clientId === clientId ? grant.resources[audience] : undefined;
  if (!granted || !user || user.disabledAt) return ENDED;
  return { ok: true, scopes: scopes.filter((scope) => granted.includes(scope)) };
}

async function mayAct(clientId: string, { deps, now }: { deps: StandingDeps; now: Date }): Promise<boolean> {
  if (looksLikeClientIdUrl(clientId)) return (await deps.approvals.find(clientId)) !== false;
  return (await deps.clients.standing({ id: clientId, now })).state === 'active';
}

function scopesOf({ payload: { scope } }: AccessTokenClaims): string[] {
  return typeof scope === 'string' ? scope.split(' ').filter(Boolean) : [];
}
