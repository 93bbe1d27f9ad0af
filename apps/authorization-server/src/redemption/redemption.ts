import type { IncomingMessage } from 'node:http';
import type { IssuedRefreshToken } from '@portcullis/persistence';
import type { AuditEvent } from '@portcullis/platform';
import type { RedemptionRefusal } from './refusal.ts';

/** What one token request trades in, and is about to change: none of it is written before the answer is there. */
export type Redemption = {
  kind: 'code' | 'refresh_token';
  /** The code or refresh token that was presented. */
  value: string;
  /** What this server is presented now. */
  presenting: Presenting;
  /** When it expires, in seconds since 1970. */
  exp: number | undefined;
  /** Until when tokens of its grant were ended, as the grant was read; undefined for never. */
  tokensEndedUntil: Date | undefined;
  /** Whether it was rotated before, and its client may be given the answer again. */
  isReplay: boolean;
  /** Why it will be refused, once everything else about the request is right. */
  refusal: RedemptionRefusal | undefined;
  /** Whether all checks of the request are done. */
  consumed: boolean;
  /** The refresh token that goes out. */
  issued: IssuedRefreshToken | undefined;
  /** What is recorded, once the engine calls the request a success. */
  event: AuditEvent | undefined;
};

/** By code or refresh token: how many requests present it now, and how many have since the first of these came. */
export type Presenting = Map<string, { now: number; all: number }>;

const redemptions = new WeakMap<IncomingMessage, Redemption>();

/** Begins the redemption of a request, with what was found out about its code or refresh token. */
export function beginRedemption(
  { req }: { req: IncomingMessage },
  found: Pick<Redemption, 'kind' | 'value' | 'exp' | 'presenting'> & Partial<Pick<Redemption, 'isReplay' | 'refusal'>>,
): void {
  endRedemption({ req });
  const { presenting } = found;
  const { now, all } = presenting.get(found.value) ?? { now: 0, all: 0 };
  presenting.set(found.value, { now: now + 1, all: all + 1 });
  redemptions.set(req, {
    tokensEndedUntil: undefined,
    isReplay: false,
    refusal: undefined,
    ...found,
    consumed: false,
    issued: undefined,
    event: undefined,
  });
}

/** Ends the redemption of a request, if it has one. */
export function endRedemption({ req }: { req: IncomingMessage }): void {
  const redemption = redemptions.get(req);
  if (!redemption) return;
  redemptions.delete(req);
  const { value, presenting } = redemption;
  const { now = 1, all = 1 } = presenting.get(value) ?? {};
  if (now > 1) presenting.set(value, { now: now - 1, all });
  else presenting.delete(value);
}

/** How many requests at this server have presented a code or refresh token, since the first that is not answered yet. */
export function requestsPresenting({ value, presenting }: Pick<Redemption, 'value' | 'presenting'>): number {
  return presenting.get(value)?.all ?? 0;
}

/** The redemption of a request; undefined for one that presents no code and no refresh token that exists. */
export function redemptionOf({ req }: { req: IncomingMessage }): Redemption | undefined {
  return redemptions.get(req);
}
