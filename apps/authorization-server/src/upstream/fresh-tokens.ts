import type {
  UpstreamConnection,
  UpstreamConnectionStore,
  UpstreamRevocationStore,
  UpstreamTokens,
} from '@portcullis/persistence';
import type { Clock } from '@portcullis/platform';
import type { CountUpstreamRefresh } from '../metrics.ts';
import type { Connector } from './connector.ts';
import { connectorOf } from './flow.ts';

/** What keeping tokens fresh needs. */
export type FreshTokenDeps = {
  connections: UpstreamConnectionStore;
  upstreamRevocations: UpstreamRevocationStore;
  connectors: ReadonlyMap<string, Connector>;
  countRefresh: CountUpstreamRefresh;
  clock: Clock;
};

/** Tokens that are good now; or the upstream has said that they are over, or it is away. */
export type FreshTokens = { ok: true; tokens: UpstreamTokens } | { ok: false; reason: 'over' | 'away' };

/** So long before its end a token is refreshed. */
const AHEAD_MS = 60_000;

/** Longer than a refresh can take. After that another process takes over from one that has died. */
const LEASE_MS = 15_000;
const POLL_MS = 50;

/**
 * The tokens of a connection, refreshed ahead of their end by one process at a time. Whoever comes meanwhile takes what
 * is still good, and waits only where nothing is.
 */
export async function freshTokens(connection: UpstreamConnection, deps: FreshTokenDeps): Promise<FreshTokens> {
  const { connections, clock } = deps;
  const deadline = Date.now() + LEASE_MS;
  for (;;) {
    const tokens = await connections.tokens(connection.id);
    if (!tokens) return { ok: false, reason: 'over' };
    const leftMs = leftOf(tokens, clock());
    if (isGoodAsItIs(tokens, leftMs)) return { ok: true, tokens };
    const now = clock();
    const leased = new Date(now.getTime() + LEASE_MS);
    if (await connections.lease({ id: connection.id, now, until: leased })) return refreshed(connection, deps, leased);
    if (leftMs > 0) return { ok: true, tokens };
    const waits = Date.now() < deadline && (await connections.isLeased({ id: connection.id, now: clock() }));
    if (!waits) {
      const current = await connections.tokens(connection.id);
      return current && leftOf(current, clock()) > 0 ? { ok: true, tokens: current } : { ok: false, reason: 'away' };
    }
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

/**
 * Whether a connection still gives tokens that its upstream knows, as far as the upstream can be asked. One that turns
 * out to be over is marked so: a user may have taken it back there, where nobody tells this server.
 */
export async function isAlive(connection: UpstreamConnection, deps: FreshTokenDeps): Promise<boolean> {
  const { connections, connectors, clock } = deps;
  const fresh = await freshTokens(connection, deps);
  if (!fresh.ok) return false;
  if (await connectorOf(connectors, connection.upstream).knows(fresh.tokens)) return true;
  const { id } = connection;
  const now = clock();
  const leased = new Date(now.getTime() + LEASE_MS);
  if (await connections.lease({ id, now, until: leased })) await connections.release({ id, leased, ended: now });
  return false;
}

/** Reads the tokens again under the lease: they may have been refreshed between the first look and it. */
async function refreshed(
  connection: UpstreamConnection,
  { connections, upstreamRevocations, connectors, countRefresh, clock }: FreshTokenDeps,
  leased: Date,
): Promise<FreshTokens> {
  const { id, upstream, scopes } = connection;
  const tokens = await connections.tokens(id);
  const leftMs = tokens ? leftOf(tokens, clock()) : 0;
  if (tokens && isGoodAsItIs(tokens, leftMs)) {
    await connections.release({ id, leased });
    return { ok: true, tokens };
  }
  if (tokens?.refreshToken === undefined) {
    // Nothing renews it: the next consent must go to the upstream, not find this one again.
    await connections.release({ id, leased, ended: clock() });
    return { ok: false, reason: 'over' };
  }
  const result = await connectorOf(connectors, upstream).refresh({
    refreshToken: tokens.refreshToken,
    scopes,
    now: clock(),
  });
  countRefresh(upstream, result.ok ? 'success' : result.failure);
  if (result.ok) {
    const stored = await connections.saveRefreshed({ connection, tokens: result.value, leased, now: clock() });
    // Others have ended, connected or refreshed it meanwhile: what came here is not what is kept.
    const current = stored ? result.value : await connections.tokens(id);
    return current ? { ok: true, tokens: current } : { ok: false, reason: 'over' };
  }
  if (result.unkept) await upstreamRevocations.add({ owner: connection, tokens: result.unkept.tokens, since: clock() });
  const isOver = result.failure === 'over' || result.failure === 'more_than_asked';
  await connections.release({ id, leased, ...(isOver && { ended: clock() }) });
  if (isOver) return { ok: false, reason: 'over' };
  return leftMs > 0 ? { ok: true, tokens } : { ok: false, reason: 'away' };
}

/** How long an access token is good yet, in milliseconds; without end where the upstream named none. */
function leftOf({ accessExpiresAt }: UpstreamTokens, now: Date): number {
  return (accessExpiresAt?.getTime() ?? Number.POSITIVE_INFINITY) - now.getTime();
}

function isGoodAsItIs({ refreshToken }: UpstreamTokens, leftMs: number): boolean {
  return leftMs > (refreshToken === undefined ? 0 : AHEAD_MS);
}
