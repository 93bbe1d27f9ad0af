/** What a guard that hears of revocations does when it has not heard for too long. */
export type FeedPolicy =
  | Readonly<{ whenFeedIsDown: 'until-expiry' }>
  | Readonly<{ whenFeedIsDown: 'fail-closed-after'; failClosedAfterSeconds: number }>;

/** Without a heartbeat for so long the feed counts as stale, and a new connection is made. */
export const STALE_AFTER_MS = 6000;

/**
 * For how long nothing has been heard, in milliseconds. A clock that was set back says nothing about that, so then it
 * is for ever; the next heartbeat mends it.
 *
 * @param heardAt the last heartbeat, or the start where there was none
 */
export function silenceMs(heardAt: Date, now: Date): number {
  const elapsedMs = now.getTime() - heardAt.getTime();
  return elapsedMs < 0 ? Number.POSITIVE_INFINITY : elapsedMs;
}

/** Whether tokens may no longer be taken because one of them may have been revoked without our hearing of it. */
export function isClosed(policy: FeedPolicy, heardAt: Date, now: Date): boolean {
  switch (policy.whenFeedIsDown) {
    case 'until-expiry':
      return false;
    case 'fail-closed-after':
      return silenceMs(heardAt, now) > policy.failClosedAfterSeconds * 1000;
  }
}
