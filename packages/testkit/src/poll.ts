import { setTimeout as pause } from 'node:timers/promises';

/** How long to go on, how often to look, and what to say when it was in vain. */
export type PollOptions = {
  /** Named in the error: what was waited for. */
  what: string;
  /** 30,000 by default. */
  deadlineMs?: number;
  /** 50 by default. */
  intervalMs?: number;
};

/**
 * Looks again and again until `look` gives something other than undefined or false; a fault in `look` counts as "not yet".
 * @throws {Error} at the deadline, with the last fault as its cause.
 */
export async function pollUntil<Found>(
  look: () => Found | undefined | false | Promise<Found | undefined | false>,
  { what, deadlineMs = 30_000, intervalMs = 50 }: PollOptions,
): Promise<Found> {
  const deadline = Date.now() + deadlineMs;
  for (;;) {
    const seen = await lookOnce(look);
    if (seen.found !== undefined && seen.found !== false) return seen.found;
    if (Date.now() >= deadline) throw new Error(`waited ${deadlineMs} ms in vain for ${what}`, { cause: seen.fault });
    await pause(intervalMs);
  }
}

async function lookOnce<Found>(look: () => Found | Promise<Found>): Promise<{ found?: Found; fault?: unknown }> {
  try {
    return { found: await look() };
  } catch (fault) {
    return { fault };
  }
}
