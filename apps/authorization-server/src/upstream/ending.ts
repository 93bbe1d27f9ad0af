import type { UpstreamConnectionStore, UpstreamRevocation, UpstreamRevocationStore } from '@portcullis/persistence';
import type { AuditSink, Clock, Logger } from '@portcullis/platform';
import type { Connector } from './connector.ts';

/** What ending connections needs. */
export type EndingDeps = {
  connections: UpstreamConnectionStore;
  upstreamRevocations: UpstreamRevocationStore;
  connectors: ReadonlyMap<string, Connector>;
  audit: AuditSink;
  clock: Clock;
  log: Logger;
};

/**
 * What became of tokens that were to be revoked: done; the upstream knows no revocation, or the configuration no longer
 * has it; left, because it would end what is kept; not done yet; or given up.
 */
export type Ending = 'revoked' | 'impossible' | 'still_used' | 'later' | 'given_up';

const BATCH = 50;
/** How long tokens are left alone after their upstream did not take a revocation: as long again as it has tried. */
const FIRST_DELAY_MS = 60_000;
const LONGEST_DELAY_MS = 6 * 3_600_000;
const GIVE_UP_MS = 7 * 24 * 3_600_000;

/**
 * Forgets the connections that no living grant may use, and revokes, at their upstreams, their tokens and all others that
 * were received and are not kept. What fails keeps nothing else waiting.
 *
 * @returns how many are not waiting any more
 */
export async function endUnusedConnections(deps: EndingDeps): Promise<number> {
  const { connections, upstreamRevocations, clock, log } = deps;
  const each = async (ids: readonly string[], work: (id: string) => Promise<unknown>) => {
    let done = 0;
    for (const id of ids) {
      try {
        if ((await work(id)) !== 'later') done += 1;
      } catch (cause) {
        log.error({ err: cause }, 'tokens of an upstream could not be ended; it is tried again');
      }
    }
    return done;
  };
  const unused = await connections.unused({ now: clock(), limit: BATCH });
  await each(
    unused.map(({ id }) => id),
    (id) => connections.retire({ id, now: clock() }),
  );
  return each(await upstreamRevocations.due({ now: clock(), limit: BATCH }), (id) => revokeTokens(id, deps));
}

/**
 * The same for one connection.
 *
 * @returns undefined where a living grant may use it, or somebody else has ended it
 */
export async function endUnusedConnection(id: string, deps: EndingDeps): Promise<Ending | undefined> {
  const waiting = await deps.connections.retire({ id, now: deps.clock() });
  return waiting === undefined ? undefined : revokeTokens(waiting, deps);
}

/** Revokes tokens that may still be connected: they cannot be from now on. */
export async function giveBackTokens(id: string, deps: EndingDeps): Promise<Ending> {
  await deps.upstreamRevocations.hasten({ id, now: deps.clock() });
  return revokeTokens(id, deps);
}

/**
 * Revokes tokens that are out of use here. An upstream that does not say that it has revoked them is asked again, later
 * each time, for seven days.
 */
async function revokeTokens(id: string, deps: EndingDeps): Promise<Ending> {
  const { upstreamRevocations, connectors, clock, log } = deps;
  const now = clock();
  const until = (since: Date) => new Date(now.getTime() + delayMs(now.getTime() - since.getTime()));
  const taken = await upstreamRevocations.take({ id, now, until });
  if (!taken) return 'later';
  const { upstream, userId, subject, since } = taken;
  const { ending, there } = await ask(taken, connectors.get(upstream));
  if (ending === 'later' && now.getTime() - since.getTime() < GIVE_UP_MS) {
    log.warn({ upstream, failure: there }, 'tokens could not be revoked; it is tried again');
    return 'later';
  }
  if (!(await upstreamRevocations.forget(id))) return 'later';
  await deps.audit.record({
    time: clock(),
    type: 'upstream.revoked',
    outcome: ending === 'later' ? 'error' : 'success',
    subject: userId,
    detail: { upstream, ...(subject !== undefined && { upstreamSubject: subject }), there },
  });
  return ending === 'later' ? 'given_up' : ending;
}

async function ask(
  taken: UpstreamRevocation,
  connector: Connector | undefined,
): Promise<{ ending: 'revoked' | 'impossible' | 'still_used' | 'later'; there: string }> {
  if (!connector) return { ending: 'impossible', there: 'impossible' };
  if (wouldEndWhatIsKept(taken.kept, connector.upstream)) return { ending: 'still_used', there: 'still_used' };
  const result = await connector.revoke(taken.tokens);
  return result.ok ? { ending: result.value, there: result.value } : { ending: 'later', there: result.failure };
}

/** The last tokens of an account take the others with them, where one ends all. */
function wouldEndWhatIsKept(
  kept: UpstreamRevocation['kept'],
  { revokesAll }: Pick<Connector['upstream'], 'revokesAll'>,
): boolean {
  return kept === 'these' || (kept === 'others' && revokesAll);
}

function delayMs(triedForMs: number): number {
  return Math.min(Math.max(FIRST_DELAY_MS, triedForMs), LONGEST_DELAY_MS);
}
