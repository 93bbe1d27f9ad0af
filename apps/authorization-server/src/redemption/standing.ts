import type { RedeemedCode, RotatedToken } from '@portcullis/persistence';

/** When a request is judged: as it came in, and as it is looked at. */
export type RequestTime = { arrivedAt: Date; now: Date };

/**
 * What a refresh token is that was rotated before:
 * - `predecessor`: the family's head came in its place just now, so its client may not have got the answer;
 * - `ancestor`: its successor was used since, so the answer did arrive; still within its own grace;
 * - `in_flight`: its grace is over or off, but the request was under way when it was rotated;
 * - `reused`: somebody has a token that its client was given another one for.
 */
export type RotatedStanding = 'predecessor' | 'ancestor' | 'in_flight' | 'reused';

/** Judges a rotated refresh token; a grace of 0 seconds is none. */
export function standingOfRotated(
  { rotatedAt, successorIsHead }: Pick<RotatedToken, 'rotatedAt' | 'successorIsHead'>,
  { arrivedAt, now, graceSeconds }: RequestTime & { graceSeconds: number },
): RotatedStanding {
  if (now.getTime() < rotatedAt.getTime() + graceSeconds * 1000) return successorIsHead ? 'predecessor' : 'ancestor';
  return arrivedAt <= rotatedAt ? 'in_flight' : 'reused';
}

/** A request that was under way when its token was rotated is judged by the token's row, so long as it may take. */
const UNDER_WAY_SECONDS = 60;

/**
 * When a token that is rotated now may be forgotten: its grace is over then, and whoever presents it later has
 * stolen it, or was stolen from. That is known without its row, see `family-mark.ts`.
 *
 * @param exp when the token expires, in seconds since 1970
 */
export function forgottenAt(o: { now: Date; exp: number | undefined; graceSeconds: number }): Date {
  const afterGrace = o.now.getTime() + (o.graceSeconds + UNDER_WAY_SECONDS) * 1000;
  return new Date(Math.min(afterGrace, o.exp === undefined ? afterGrace : o.exp * 1000));
}

/**
 * Judges a code that was redeemed before (AS-10). Whoever asked before the answer left cannot have known that there
 * is one; later, the code is in two hands.
 */
export function standingOfRedeemed({ parallelUntil }: RedeemedCode, arrivedAt: Date): 'in_flight' | 'reused' {
  return parallelUntil === undefined || arrivedAt <= parallelUntil ? 'in_flight' : 'reused';
}

/** Where a code came in several requests at once, one that is read so much later was sent with them all the same. */
const STRAGGLING_MS = 2000;

/** Until when another use of a code is taken for a parallel one, as its answer leaves: until now, unless there were several. */
export function parallelUntil({ now, requests }: { now: Date; requests: number }): Date {
  return requests > 1 ? stragglingUntil(now) : now;
}

/** The same where this request is not the one that redeemed the code, and was sent beside it: maybe to another replica. */
export function stragglingUntil(now: Date): Date {
  return new Date(now.getTime() + STRAGGLING_MS);
}
