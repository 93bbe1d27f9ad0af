import type { ClientStore, UpstreamConnectionStore } from '@portcullis/persistence';
import { inSpan } from '@portcullis/platform/watching';
import type { ResourceCatalogue } from '../resource-catalogue.ts';
import type { Resource } from '../resources.ts';
import { type OwnTokens, readAccessToken } from '../revocation/access-token-claims.ts';
import { type StandingDeps, standingOf } from '../revocation/token-standing.ts';
import { type FreshTokenDeps, freshTokens } from './fresh-tokens.ts';
import { upstreamScopesOf } from './upstream.ts';

/** What is asked for: an upstream's token, for a user's access token. */
export type ExchangeRequest = {
  /** The client that has authenticated. */
  clientId: string;
  subjectToken: string;
  /** Which upstream. */
  audience: string;
};

/** Why there is none. */
export type ExchangeRefusal =
  | 'not_a_resource_server'
  | 'bad_subject_token'
  | 'unknown_upstream'
  | 'not_connected'
  | 'more_than_granted'
  | 'connection_over'
  | 'upstream_away';

/** An upstream's access token for the server of a resource, and in whose name it is. */
type Exchanged = {
  accessToken: string;
  scopes: readonly string[];
  expiresInSeconds: number;
  subject: string;
  clientId: string;
  grantId: string;
  resource: string;
};

/** What came of an exchange. */
export type ExchangeResult = { ok: true; value: Exchanged } | { ok: false; refusal: ExchangeRefusal };

/** What it asks. */
export type ExchangeDeps = FreshTokenDeps & {
  clients: ClientStore;
  connections: UpstreamConnectionStore;
  catalogue: ResourceCatalogue;
  tokens: OwnTokens;
  standing: StandingDeps;
};

/** The longest that an answer may be used without asking again, in seconds. */
const LONGEST_SECONDS = 300;

/**
 * Trades a user's access token for one of the upstream, for the server of the resource that it is for, as itself.
 *
 * The token must be one of ours, alive, a user's, and for that very resource; its grant must be linked to a connection,
 * and the connection may have no scope that the token's own scopes do not need there. Personal access tokens and the
 * tokens of machines have no such grant. Nothing of the token goes upstream.
 *
 * @see RFC 8693 section 2
 */
export function exchangeToken(request: ExchangeRequest, deps: ExchangeDeps): Promise<ExchangeResult> {
  return inSpan({ name: 'token exchange' }, async (span) => {
    const result = await exchange(request, deps);
    span.note({ 'portcullis.outcome': result.ok ? 'success' : result.refusal });
    return result;
  });
}

async function exchange(request: ExchangeRequest, deps: ExchangeDeps): Promise<ExchangeResult> {
  const now = deps.clock();
  const caller = await deps.clients.find({ id: request.clientId, now });
  if (caller?.resourceServer === undefined) return refused('not_a_resource_server');
  const claims = await readAccessToken(request.subjectToken, { ...deps.tokens, now });
  if (claims?.audience !== caller.resourceServer || claims.subject === claims.clientId)
    return refused('bad_subject_token');
  const standing = await standingOf(claims, { deps: deps.standing, now });
  if (!standing.ok) return refused('bad_subject_token');
  const resource = await deps.catalogue.find(claims.audience);
  if (!resource?.upstream || resource.upstream.name !== request.audience) return refused('unknown_upstream');
  const { grantId, clientId, subject } = claims;
  const connected = await connectionFor({ grantId, subject, resource, scopes: standing.scopes }, deps);
  if (!connected.ok) return connected;
  const fresh = await freshTokens(connected.value, deps);
  if (!fresh.ok) return refused(fresh.reason === 'over' ? 'connection_over' : 'upstream_away');
  const { accessToken, accessExpiresAt } = fresh.tokens;
  const ends = [accessExpiresAt?.getTime() ?? Number.POSITIVE_INFINITY, (claims.payload.exp ?? 0) * 1000];
  const expiresInSeconds = Math.max(
    1,
    Math.min(LONGEST_SECONDS, Math.floor((Math.min(...ends) - now.getTime()) / 1000)),
  );
  const { scopes } = connected.value;
  return {
    ok: true,
    value: { accessToken, scopes, expiresInSeconds, subject, clientId, grantId, resource: resource.url },
  };
}

async function connectionFor(
  o: { grantId: string; subject: string; resource: Resource; scopes: readonly string[] },
  { connections }: ExchangeDeps,
) {
  const found = await connections.agreement(o.grantId);
  const needed = upstreamScopesOf(o.resource, o.scopes);
  if (!found || needed.length === 0 || found.agreed.upstream !== o.resource.upstream?.name)
    return refused('not_connected');
  const { connection } = found;
  if (!connection) return refused('not_connected');
  const { scopes } = connection;
  if (connection.userId !== o.subject || connection.upstream !== found.agreed.upstream) return refused('not_connected');
  // A set that names nothing is covered by nothing: what it reaches is not known.
  const covered =
    scopes.length > 0 && scopes.every((scope) => needed.includes(scope) && found.agreed.scopes.includes(scope));
  return covered ? ({ ok: true, value: connection } as const) : refused('more_than_granted');
}

function refused(refusal: ExchangeRefusal): { ok: false; refusal: ExchangeRefusal } {
  return { ok: false, refusal };
}
