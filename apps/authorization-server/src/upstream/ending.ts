import type { UpstreamConnection, UpstreamConnectionStore } from '@portcullis/persistence';
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
/** So long a connection is left alone after an upstream did not take its revocation. */
const RETRY_MS = 60_000;

/**
 * Revokes, at their upstreams, the connections that no living grant may use, and forgets them. An upstream that is away
 * is asked again a minute later; one that knows no revocation, or that the configuration no longer has, is not asked.
 *
 * @returns how many were forgotten
 */
export async function endUnusedConnections(deps: EndingDeps): Promise<number> {
  const now = deps.clock();
  const unused = await deps.connections.unused({ now, limit: BATCH });
  let ended = 0;
  for (const connection of unused) {
    const until = new Date(now.getTime() + RETRY_MS);
    if (!(await deps.connections.lease({ id: connection.id, now, until }))) continue;
    if (await endOne(connection, deps)) ended += 1;
  }
  return ended;
}

async function endOne(connection: UpstreamConnection, deps: EndingDeps): Promise<boolean> {
  const { connections, connectors, clock, log } = deps;
  const { id, upstream, userId, subject } = connection;
  const tokens = await connections.tokens(id);
  const connector = connectors.get(upstream);
  const result = tokens && connector ? await connector.revoke(tokens) : ({ ok: true, value: 'impossible' } as const);
  if (!result.ok && (result.failure === 'unreachable' || result.failure === 'slow')) {
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
