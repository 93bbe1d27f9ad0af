import { z } from 'zod';

/** An answer of the token endpoint to a refresh (RFC 6749, section 5.1). */
const tokenAnswer = z.looseObject({
  access_token: z.string(),
  expires_in: z.number(),
  refresh_token: z.string(),
  scope: z.string().optional(),
});

export type TokenAnswer = z.infer<typeof tokenAnswer>;

const keptAnswer = z.object({
  accessToken: z.string(),
  refreshToken: z.string(),
  scope: z.string().optional(),
  /** The scopes that the request named, or all of its family. */
  asked: z.array(z.string()),
  /** When the access token expires, in milliseconds since 1970. */
  expiresAtMs: z.number(),
  /** Where the request that rotated came from. */
  network: z.string(),
});

/** What is kept of an answer, to give it again. */
export type KeptAnswer = z.infer<typeof keptAnswer>;

/** An access token is given again while it has so many seconds left; with less it would die in its client's hands. */
const USABLE_SECONDS = 30;

/** So many replays of one rotation are what bad networks do; more are an anomaly. */
const ORDINARY_REPLAYS = 3;

/** Requests that come so soon after a rotation were sent beside the one that rotated, and are not counted. */
const PARALLEL_MS = 2000;

/** Why a replay is looked at twice. */
export type Suspicion = 'replay_from_another_network' | 'repeated_replays';

/** Reads an answer of the engine to a refresh. @throws {Error} when it is none */
export function readTokenAnswer(body: unknown): TokenAnswer {
  return tokenAnswer.parse(body);
}

/** What is kept of an answer, as text. */
export function keepAnswer(
  answer: TokenAnswer,
  { asked, network, now }: Pick<KeptAnswer, 'asked' | 'network'> & { now: Date },
): string {
  const { access_token: accessToken, refresh_token: refreshToken, scope, expires_in: expiresIn } = answer;
  const kept: KeptAnswer = {
    accessToken,
    refreshToken,
    scope,
    asked,
    expiresAtMs: now.getTime() + expiresIn * 1000,
    network,
  };
  return JSON.stringify(kept);
}

/** Reads what {@link keepAnswer} wrote. */
export function readKeptAnswer(text: string): KeptAnswer {
  return keptAnswer.parse(JSON.parse(text));
}

/**
 * The answer that was given, given again: the identical refresh token, and the same access token with the time that it
 * has left. Where it has hardly any, or was ended since, or where the same request would be given another scope today, the
 * access token is the one that was signed for this very request.
 */
export function replayedAnswer(
  kept: KeptAnswer,
  { fresh, isEnded, now }: { fresh: TokenAnswer; isEnded: boolean; now: Date },
): TokenAnswer {
  const remainingSeconds = Math.floor((kept.expiresAtMs - now.getTime()) / 1000);
  const usable = !isEnded && remainingSeconds >= USABLE_SECONDS && kept.scope === fresh.scope;
  return {
    ...fresh,
    refresh_token: kept.refreshToken,
    ...(usable && { access_token: kept.accessToken, expires_in: remainingSeconds }),
  };
}

/** Whether a replay came beside the request that rotated, rather than after it. */
export function isParallel({ rotatedAt, arrivedAt }: { rotatedAt: Date; arrivedAt: Date }): boolean {
  return arrivedAt.getTime() <= rotatedAt.getTime() + PARALLEL_MS;
}

/** What is odd about a replay; `replays` counts those of this rotation, with this one. */
export function suspicionOf(o: { rotatedFrom: string; replayedFrom: string; replays: number }): Suspicion | undefined {
  if (o.rotatedFrom !== o.replayedFrom) return 'replay_from_another_network';
  return o.replays > ORDINARY_REPLAYS ? 'repeated_replays' : undefined;
}
