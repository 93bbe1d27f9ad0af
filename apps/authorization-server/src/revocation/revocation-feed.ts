import type { LoggedRevocation, RevocationLog, RevocationSignal } from '@portcullis/persistence';
import type { Logger } from '@portcullis/platform';

/** What a reading of the revocations brought. */
export type FeedNews = {
  /** Those that the listener has not been given yet, for all resources. */
  revocations: readonly LoggedRevocation[];
  /** Everything below this position has been given by now. */
  watermark: bigint;
};

/** Called after each good reading, with what is new or with nothing. */
type FeedListener = (news: FeedNews) => void;

/** Reads revocations for all streams of this process together. */
export type RevocationFeed = {
  /**
   * Hands every revocation that commits from now on to `listener`, within a second and mostly at once. While the
   * database cannot be read the listener is not called.
   *
   * @returns how to stop, and the position below which everything has been committed already
   */
  subscribe(listener: FeedListener): Promise<{ watermark: bigint; unsubscribe(): void }>;
  /** Ends reading. */
  close(): void;
};

/** What the feed reads, and what hints that there is something to read. */
export type RevocationFeedDeps = { log: RevocationLog; signal: RevocationSignal; logger: Logger };

/** A hint is only a hint: without one the next reading comes after so long. */
const POLL_MS = 1000;

/** Makes the feed. It reads while somebody listens, at least every second. */
export function createRevocationFeed(deps: RevocationFeedDeps): RevocationFeed {
  const listeners = new Set<FeedListener>();
  let reader: Reader | undefined;

  const deliver: FeedListener = (news) => {
    for (const listener of listeners) listener(news);
  };
  const stopIfUnheard = () => {
    if (listeners.size > 0) return;
    reader?.end();
    reader = undefined;
  };

  return {
    async subscribe(listener) {
      listeners.add(listener);
      const unsubscribe = () => {
        listeners.delete(listener);
        stopIfUnheard();
      };
      reader ??= startReader(deliver, deps);
      try {
        return { watermark: await reader.watermark(), unsubscribe };
      } catch (cause) {
        unsubscribe();
        throw cause;
      }
    },
    close() {
      listeners.clear();
      stopIfUnheard();
    },
  };
}

type Reader = { watermark(): Promise<bigint>; end(): void };

function startReader(deliver: FeedListener, { log, signal, logger }: RevocationFeedDeps): Reader {
  // Fixed before anybody is told that the reader has begun: what commits after that is at or above it.
  const start = log.watermark();
  let watermark: bigint | undefined;
  // Given already, though not below the watermark: they come again with the next reading.
  let given = new Set<string>();
  let ended = false;

  async function read(): Promise<void> {
    const next = await log.readFrom(watermark ?? (await start));
    if (ended) return;
    const revocations = next.revocations.filter(({ id }) => !given.has(id));
    given = new Set(next.revocations.filter(({ position }) => position >= next.watermark).map(({ id }) => id));
    watermark = next.watermark;
    deliver({ revocations, watermark });
  }

  const loop = repeat(read, logger);
  const unsubscribe = signal.subscribe(loop.readSoon);
  return {
    watermark: async () => watermark ?? (await start),
    end() {
      ended = true;
      unsubscribe();
      loop.end();
    },
  };
}

/** Runs `read` every second, at once after `readSoon`, and never twice at the same time. */
function repeat(read: () => Promise<void>, logger: Logger): { readSoon(): void; end(): void } {
  let ended = false;
  let reading = false;
  let hinted = false;
  let timer: NodeJS.Timeout | undefined;

  async function run(): Promise<void> {
    clearTimeout(timer);
    reading = true;
    do {
      hinted = false;
      await read().catch((cause: unknown) => logger.warn({ err: cause }, 'revocations cannot be read; trying again'));
    } while (hinted && !ended);
    reading = false;
    if (!ended) timer = setTimeout(() => void run(), POLL_MS);
  }

  void run();
  return {
    readSoon() {
      hinted = true;
      if (!reading && !ended) void run();
    },
    end() {
      ended = true;
      clearTimeout(timer);
    },
  };
}
