const daySeconds = 24 * 60 * 60;

/** How long clients that registered themselves stay, in seconds, and how long their ids are remembered afterwards. */
export const CLIENT_LIFETIMES = {
  /** From the registration to the first code or token. */
  unused: daySeconds,
  /** From the registration, or from the approval, where an administrator has to look at it first. */
  underReview: 7 * daySeconds,
  /** From the last code or token. */
  used: 90 * daySeconds,
  rememberedUnused: 7 * daySeconds,
  rememberedUsed: 365 * daySeconds,
} as const;

/** A moment so many seconds after another. */
export function secondsAfter(moment: Date, seconds: number): Date {
  return new Date(moment.getTime() + seconds * 1000);
}
