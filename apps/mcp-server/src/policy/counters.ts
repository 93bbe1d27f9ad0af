import type { Logger, Secret } from '@portcullis/platform';
import pg from 'pg';
import {
  type RateLimiterAbstract,
  RateLimiterMemory,
  RateLimiterPostgres,
  RateLimiterRes,
} from 'rate-limiter-flexible';

/** Whether there was room for what was asked; otherwise when there is again. */
export type Taken = { taken: true } | { taken: false; waitMs: number };

/** Counts points under a key in a window that starts with the first of them. */
export type Counter = { take(key: string, points: number): Promise<Taken> };

/** What a counter counts up to. */
type CounterOptions = {
  name: string;
  points: number;
  windowSeconds: number;
  /** What happens while the database is away: each process counts alone (the default), or taking fails. */
  whenAway?: 'count-alone' | 'fail';
};

/** Where counts are kept: over all replicas in PostgreSQL, or in this process. */
export type Counters = { counter(options: CounterOptions): Counter; close(): Promise<void> };

/** The table of `RateLimiterPostgres`, which the store's migrations create. */
export const COUNTER_TABLE = 'call_limit';

const CONNECTIONS = 4;
const TIMEOUT_MS = 2000;
/** For so long nothing is asked of a database that just failed. */
const PAUSE_MS = 5000;
const CLEAN_EVERY_MS = 300_000;

/** Counts in this process: SQLite's file has one anyway. */
export function memoryCounters(): Counters {
  return {
    counter: (options) => {
      const limiter = new RateLimiterMemory(limiterOptions(options));
      return { take: (key, points) => consume(limiter, key, points) };
    },
    close: async () => {},
  };
}

/**
 * Counts in PostgreSQL, over connections of its own: calls that hold the others do not hold up the judging of new ones.
 * While the database is away each replica goes on counting by itself, so that a call is neither let through uncounted nor
 * refused for want of a count; the tools that need the database fail on their own.
 */
export function sharedCounters(url: Secret, logger: Logger): Counters {
  const pool = new pg.Pool({
    connectionString: url.reveal(),
    max: CONNECTIONS,
    connectionTimeoutMillis: TIMEOUT_MS,
    statement_timeout: TIMEOUT_MS,
    application_name: 'portcullis-mcp-server-limits',
  });
  pool.on('error', (error) => logger.warn({ err: error }, 'an idle database connection was lost'));
  const own = memoryCounters();
  const cleaner = setInterval(() => void removeExpired(pool, logger), CLEAN_EVERY_MS).unref();
  let pausedUntil = 0;
  return {
    counter(options) {
      const shared = new RateLimiterPostgres({
        ...limiterOptions(options),
        storeClient: pool,
        storeType: 'pool',
        tableName: COUNTER_TABLE,
        tableCreated: true,
        clearExpiredByTimeout: false,
        // Who is over the limit is told so from memory: a flood of calls is none of statements.
        inMemoryBlockOnConsumed: options.points + 1,
      });
      const alone = own.counter(options);
      return {
        async take(key, points) {
          if (options.whenAway === 'fail') return await consume(shared, key, points);
          if (Date.now() < pausedUntil) return await alone.take(key, points);
          try {
            return await consume(shared, key, points);
          } catch (cause) {
            pausedUntil = Date.now() + PAUSE_MS;
            logger.warn({ err: cause }, 'calls are counted by this process alone: the database cannot be used');
            return await alone.take(key, points);
          }
        },
      };
    },
    async close() {
      clearInterval(cleaner);
      await pool.end();
    },
  };
}

function limiterOptions({ name, points, windowSeconds }: CounterOptions) {
  return { keyPrefix: name, points, duration: windowSeconds };
}

async function consume(limiter: RateLimiterAbstract, key: string, points: number): Promise<Taken> {
  try {
    await limiter.consume(key, points);
    return { taken: true };
  } catch (cause) {
    if (cause instanceof RateLimiterRes) return { taken: false, waitMs: cause.msBeforeNext };
    throw cause;
  }
}

async function removeExpired(pool: pg.Pool, logger: Logger): Promise<void> {
  try {
    await pool.query(`delete from ${COUNTER_TABLE} where expire < $1`, [Date.now()]);
  } catch (cause) {
    logger.debug({ err: cause }, 'old counts could not be removed');
  }
}
