import type { Logger } from '@portcullis/platform';
import { repeat } from '../recurring-work.ts';
import type { AuditKeeper } from './keeper.ts';

const SEAL_INTERVAL_MS = 1000;
/** Chance makes it one and a half of that at most: within a minute whatever happens. */
const ANCHOR_INTERVAL_MS = 30_000;
const WATCH_INTERVAL_MS = 60_000;
const MOVE_OUT_INTERVAL_MS = 600_000;

/**
 * Looks after the audit trail from time to time. What fails is said once, and again when it works: the database may be
 * away meanwhile.
 *
 * @returns what ends it; the chain is sealed and anchored a last time
 */
export function lookAfterAuditTrail(keeper: AuditKeeper, log: Logger): () => Promise<void> {
  const part = (name: string, intervalMs: number, work: () => Promise<unknown>) => {
    let failing = false;
    const onFault = (cause: unknown) => {
      if (!failing) log.warn({ err: cause, part: name }, 'the audit trail cannot be looked after; it is tried again');
      failing = true;
    };
    const noted = async () => {
      await work();
      if (failing) log.info({ part: name }, 'the audit trail is looked after again');
      failing = false;
    };
    return { end: repeat({ intervalMs, work: noted, onFault }), lastTime: () => noted().catch(onFault) };
  };
  const sealing = part('seal', SEAL_INTERVAL_MS, () => keeper.seal());
  const anchoring = part('anchor', ANCHOR_INTERVAL_MS, () => keeper.anchor());
  const watching = part('watch', WATCH_INTERVAL_MS, () => keeper.watch());
  const movingOut = part('move out', MOVE_OUT_INTERVAL_MS, () => keeper.moveOut());
  return async () => {
    await Promise.all([sealing.end(), anchoring.end(), watching.end(), movingOut.end()]);
    await sealing.lastTime();
    await anchoring.lastTime();
  };
}
