/** A value that is fetched, or why there is none now. */
export type Lookup<T> = { ok: true; value: T } | { ok: false; retryAfterSeconds: number; cause: unknown };

/** A value kept for a while, whose source is asked a bounded number of times. */
export type Refreshed<T> = {
  /** The value when it is fresh enough; otherwise the source is asked, if it is time. */
  current(): Promise<Lookup<T>>;
  /** For a caller that misses something in the value: a newer one if it is time to ask, else the one that is known. */
  newer(): Promise<Lookup<T>>;
};

/** When a value counts as fresh, when its source may be asked again, and how long it outlives a silent source. */
export type RefreshTimes = Readonly<{ maxAgeMs: number; cooldownMs: number; maxStaleMs: number }>;

type State<T> = {
  held?: { value: T; obtainedAt: number };
  attemptedAt?: number;
  failures: number;
  cause?: unknown;
};

const FIRST_RETRY_MS = 1000;

/**
 * Keeps the result of `load`. One load runs at a time, whoever asks. After a good one the source is left alone for
 * `cooldownMs`; after a bad one for a second, then two, four and so on up to `cooldownMs`, so that a source that
 * starts a little later than we do is soon found, and callers cannot make us hammer it.
 *
 * A clock that moved backwards ends every wait and every freshness.
 */
export function createRefreshed<T>(load: () => Promise<T>, times: RefreshTimes, now: () => Date): Refreshed<T> {
  const state: State<T> = { failures: 0 };
  let pending: Promise<void> | undefined;

  async function attempt(): Promise<void> {
    try {
      state.held = { value: await load(), obtainedAt: now().getTime() };
      state.failures = 0;
    } catch (error) {
      state.failures += 1;
      state.cause = error;
    }
    state.attemptedAt = now().getTime();
  }

  async function attemptIfDue(): Promise<void> {
    if (pending === undefined && waitMs(state, times, now().getTime()) > 0) return;
    pending ??= attempt().finally(() => {
      pending = undefined;
    });
    await pending;
  }

  function unavailable(): Lookup<T> {
    const seconds = Math.ceil(waitMs(state, times, now().getTime()) / 1000);
    return { ok: false, retryAfterSeconds: Math.max(1, seconds), cause: state.cause };
  }

  return {
    async current() {
      if (!isHeldFor(state, times.maxAgeMs, now().getTime())) await attemptIfDue();
      const usable = isHeldFor(state, times.maxAgeMs + times.maxStaleMs, now().getTime());
      return usable && state.held ? { ok: true, value: state.held.value } : unavailable();
    },
    async newer() {
      await attemptIfDue();
      return state.failures === 0 && state.held ? { ok: true, value: state.held.value } : unavailable();
    },
  };
}

function isHeldFor<T>(state: State<T>, durationMs: number, nowMs: number): boolean {
  if (state.held === undefined) return false;
  const ageMs = nowMs - state.held.obtainedAt;
  return ageMs >= 0 && ageMs < durationMs;
}

function waitMs<T>(state: State<T>, times: RefreshTimes, nowMs: number): number {
  if (state.attemptedAt === undefined) return 0;
  const elapsedMs = nowMs - state.attemptedAt;
  const backoffMs = state.failures === 0 ? times.cooldownMs : FIRST_RETRY_MS * 2 ** (state.failures - 1);
  return elapsedMs < 0 ? 0 : Math.max(0, Math.min(backoffMs, times.cooldownMs) - elapsedMs);
}
