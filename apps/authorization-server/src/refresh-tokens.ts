import { z } from 'zod';

const DAY_SECONDS = 24 * 3600;
const YEAR_SECONDS = 365 * DAY_SECONDS;

/** The part of the configuration file that says how long refresh tokens live, and what is made of odd replays. */
export const refreshTokensSchema = z
  .strictObject({
    idleSeconds: z
      .int()
      .min(60)
      .max(YEAR_SECONDS)
      .default(30 * DAY_SECONDS)
      .describe('A refresh token ends so many seconds after it was issued; each refresh issues a new one.'),
    absoluteSeconds: z
      .int()
      .min(60)
      .max(YEAR_SECONDS)
      .default(180 * DAY_SECONDS)
      .describe('So many seconds after the sign-in all ends, however often it was refreshed.'),
    suspiciousReplay: z
      .enum(['report', 'revoke'])
      .default('report')
      .describe(
        'What follows when the answer to a refresh is asked for again from another network, or more than three times: report: a record and a count; revoke: the authorization ends as well.',
      ),
  })
  .refine(({ idleSeconds, absoluteSeconds }) => idleSeconds <= absoluteSeconds, {
    path: ['idleSeconds'],
    message: 'must not be longer than absoluteSeconds (180 days unless it is set)',
  })
  .describe('How long refresh tokens live, and what is made of odd uses of one.');

/** How long refresh tokens live, and what is made of odd replays. */
export type RefreshTokenPolicy = z.infer<typeof refreshTokensSchema>;

/** The life of a new refresh token: it slides with each rotation, and ends for good at a fixed time after the sign-in. */
export function refreshTokenTtlSeconds(
  { idleSeconds, absoluteSeconds }: Pick<RefreshTokenPolicy, 'idleSeconds' | 'absoluteSeconds'>,
  { firstIssuedAt, now }: { firstIssuedAt: number | undefined; now: number },
): number {
  const sinceSignIn = now - (firstIssuedAt ?? now);
  return Math.max(1, Math.min(idleSeconds, absoluteSeconds - sinceSignIn));
}
