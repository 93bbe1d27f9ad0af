import type { UpstreamConnection, UpstreamConnectionStore, UpstreamTokens } from '@portcullis/persistence';
import type { Clock } from '@portcullis/platform';
import type { Connector } from './connector.ts';
import { connectorOf } from './flow.ts';

/** What keeping tokens fresh needs. */
export type FreshTokenDeps = {
  connections: UpstreamConnectionStore;
  connectors: ReadonlyMap<string, Connector>;
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
    const leftMs = (tokens.accessExpiresAt?.getTime() ?? Number.POSITIVE_INFINITY) - clock().getTime();
    if (leftMs > AHEAD_MS) return { ok: true, tokens };
    if (tokens.refreshToken === undefined) return leftMs > 0 ? { ok: true, tokens } : { ok: false, reason: 'over' };
    const now = clock();
    const leased = await connections.lease({ id: connection.id, now, until: new Date(now.getTime() + LEASE_MS) });
    if (leased) return refreshed(connection, deps, leftMs);
    if (leftMs > 0) return { ok: true, tokens };
    const waits = Date.now() < deadline && (await connections.isLeased({ id: connection.id, now: clock() }));
    if (!waits) {
      const current = await connections.tokens(connection.id);
      const isGood = current?.accessExpiresAt && current.accessExpiresAt > clock();
      return isGood ? { ok: true, tokens: current } : { ok: false, reason: 'away' };
    }
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

/** Reads the tokens again under the lease: they may have been refreshed between the first look and it. */
async function refreshed(
  connection: UpstreamConnection,
  { connections, connectors, clock }: FreshTokenDeps,
  leftMs: number,
): Promise<FreshTokens> {
  const { id, upstream, scopes } = connection;
  const tokens = await connections.tokens(id);
  const isFresh = (tokens?.accessExpiresAt?.getTime() ?? 0) - clock().getTime() > AHEAD_MS;
  if (!tokens?.refreshToken || isFresh) {
    await connections.release({ id });
    return tokens && isFresh ? { ok: true, tokens } : { ok: false, reason: 'over' };
  }
  const result = await connectorOf(connectors, upstream).refresh({
    refreshToken: tokens.refreshToken,
    scopes,
    now: clock(),
  });
  if (result.ok) {
    await connections.saveRefreshed({ connection, tokens: result.value, now: clock() });
    return { ok: true, tokens: result.value };
  }
  const isOver = result.failure === 'over' || result.failure === 'more_than_asked';
  await connections.release({ id, ...(isOver && { ended: clock() }) });
  if (isOver) return { ok: false, reason: 'over' };
  return leftMs > 0 ? { ok: true, tokens } : { ok: false, reason: 'away' };
}
