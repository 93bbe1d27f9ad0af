import { z } from 'zod';

/** How long another replica may take to hear of a change to the keys, with clocks that differ a little, in seconds. */
const SPREAD_SECONDS = 2;

const DAY_SECONDS = 24 * 3600;

/** How tokens can be signed. */
export const signingAlgorithmSchema = z.enum(['ES256', 'EdDSA', 'RS256']);

/** One of the algorithms that tokens can be signed with. */
export type SigningAlgorithm = z.infer<typeof signingAlgorithmSchema>;

/** The part of the configuration file that says how tokens are signed. */
export const signingKeysSchema = z
  .strictObject({
    algorithm: signingAlgorithmSchema.default('ES256').describe('The algorithm of keys that are made from now on.'),
    rotationSeconds: z
      .int()
      .min(5)
      .max(3650 * DAY_SECONDS)
      .default(30 * DAY_SECONDS)
      .describe('How long a key signs before the next one takes over.'),
    publishSeconds: z
      .int()
      .min(3)
      .max(365 * DAY_SECONDS)
      .default(3600)
      .describe('How long a key is in the key set before it signs.'),
    overlapSeconds: z
      .int()
      .min(5)
      .max(365 * DAY_SECONDS)
      .default(7200)
      .describe('How long a key stays in the key set after it has signed last.'),
    jwksMaxAgeSeconds: z.int().min(1).max(DAY_SECONDS).default(300).describe('How long the key set may be cached.'),
  })
  .describe('The keys that sign access tokens, and when they take turns.');

/** How tokens are signed, and when keys take turns. */
export type SigningKeyPolicy = z.infer<typeof signingKeysSchema>;

/** What would leave somebody with a good token whose key they cannot know. */
export function signingKeyProblems(policy: SigningKeyPolicy, accessTokenTtlSeconds: number): string[] {
  const { rotationSeconds, publishSeconds, overlapSeconds, jwksMaxAgeSeconds } = policy;
  const problems: string[] = [];
  if (publishSeconds < jwksMaxAgeSeconds + SPREAD_SECONDS) {
    problems.push(
      `publishSeconds must be at least ${jwksMaxAgeSeconds + SPREAD_SECONDS} (jwksMaxAgeSeconds and ${SPREAD_SECONDS}): whoever has cached the key set would meet a key that they do not know`,
    );
  }
  if (overlapSeconds < accessTokenTtlSeconds + jwksMaxAgeSeconds) {
    problems.push(
      `overlapSeconds must be at least ${accessTokenTtlSeconds + jwksMaxAgeSeconds} (PORTCULLIS_ACCESS_TOKEN_TTL and jwksMaxAgeSeconds): the key would be gone before its last token`,
    );
  }
  if (rotationSeconds < publishSeconds) {
    problems.push(
      `rotationSeconds must be at least publishSeconds (${publishSeconds}): the next key would come too late`,
    );
  }
  return problems.map((problem) => `Configuration file, signingKeys: ${problem}.`);
}
