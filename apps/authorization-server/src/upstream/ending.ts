import type { UpstreamConnectionStore } from '@portcullis/persistence';
import type { AuditSink, Clock, Logger } from '@portcullis/platform';
import type { Connector } from './connector.ts';

/** What ending connections needs. */
export type EndingDeps = {
  connections: UpstreamConnectionStore;
  connectors: ReadonlyMap<string, Connector>;
  audit: AuditSink;
  clock: Clock;
  log: Logger;
};

const BATCH = 50;
/** How long a connection is left alone after its upstream did not take a revocation: as long again as it has tried. */
const FIRST_DELAY_MS = 60_000;
const LONGEST_DELAY_MS = 6 * 3_600_000;
const GIVE_UP_MS = 7 * 24 * 3_600_000;

/**
 * Revokes, at their upstreams, the connections that no living grant may use, and forgets them.
 *
 * @returns how many were forgotten
 */
export async function endUnusedConnections(deps: EndingDeps): Promise<number> {
  const unused = await deps.connections.unused({ now: deps.clock(), limit: BATCH });
  let ended = 0;
  for (const { id } of unused) if (await endUnusedConnection(id, deps)) ended += 1;
  return ended;
}

/**
 * The same for one connection; nothing where a living grant may use it. It is out of use before its upstream hears of
 * it. One that does not say that it has revoked it is asked again, later each time, for seven days; one that knows no
 * revocation, or that the configuration no longer has, is not asked.
 *
 * @returns whether it was forgotten
 */
export async function endUnusedConnection(id: string, deps: EndingDeps): Promise<boolean> {
  const { connections, connectors, clock, log } = deps;
  const now = clock();
  const until = (endedAt: Date) => new Date(now.getTime() + delayMs(now.getTime() - endedAt.getTime()));
  const retired = await connections.retire({ id, now, until });
  if (!retired) return false;
  const { tokens, endedAt } = retired;
  const { upstream, userId, subject } = retired.connection;
  const result = (await connectors.get(upstream)?.revoke(tokens)) ?? ({ ok: true, value: 'impossible' } as const);
  if (!result.ok && now.getTime() - endedAt.getTime() < GIVE_UP_MS) {
    log.warn({ upstream, failure: result.failure }, 'a connection could not be revoked; it is tried again');
    return false;
  }
  if (!(await connections.removeUnused({ id, now: clock() }))) return false;
  await deps.audit.record({
    time: clock(),
    type: 'upstream.revoked',
    outcome: result.ok ? 'success' : 'error',
    subject: userId,
    detail: { upstream, upstreamSubject: subject, there: result.ok ? result.value : result.failure },
  });
  return true;
}

function delayMs(triedForMs: number): number {
  return Math.min(Math.max(FIRST_DELAY_MS, triedForMs), LONGEST_DELAY_MS);
}
