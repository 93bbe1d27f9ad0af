import { setTimeout as pause } from 'node:timers/promises';
import { tokensEndedUntilOf } from '@portcullis/persistence';
import type { Clock } from '@portcullis/platform';
import { type Adapter, type AdapterPayload, default as Provider } from 'oidc-provider';
import { forgetReads, isGrantAhead } from '../provider/request-reads.ts';
import { redemptionOf } from './redemption.ts';

/** Clocks of replicas that are further apart than this are not waited for. */
const LONGEST_WAIT_MS = 5000;

/**
 * Finds the grant of a token request. Tokens name the second of their issue, so where those of a second were ended
 * (the user allows less now, or lost a role), what is issued has to wait for another second. What the grant was like is
 * noted: if it has changed when the redemption is written down, nothing is issued.
 */
export function findSettledGrant(adapter: Adapter, clock: Clock): Adapter['find'] {
  return async (id) => {
    const ctx = Provider.ctx;
    const isTogether = ctx !== undefined && isGrantAhead(ctx, id);
    const found = await adapter.find(id);
    if (!found || ctx?.oidc.route !== 'token') return found;
    const hasWaited = await afterEndedSecond(found, clock);
    if (hasWaited || !isTogether) forgetReads(ctx);
    const settled = hasWaited ? await adapter.find(id) : found;
    const redemption = redemptionOf(ctx);
    if (redemption) redemption.tokensEndedUntil = settled ? tokensEndedUntilOf(settled) : undefined;
    return settled;
  };
}

/** Waits until the second is over whose tokens were ended; whether that was needed. */
async function afterEndedSecond(grant: AdapterPayload, clock: Clock): Promise<boolean> {
  const endedUntil = tokensEndedUntilOf(grant);
  const waitMs = endedUntil === undefined ? 0 : endedUntil.getTime() + 1000 - clock().getTime();
  if (waitMs <= 0) return false;
  await pause(Math.min(waitMs, LONGEST_WAIT_MS));
  return true;
}
