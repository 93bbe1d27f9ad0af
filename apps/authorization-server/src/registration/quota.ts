import type { Database } from '@portcullis/persistence';
import { RateLimiterMemory, RateLimiterRes } from 'rate-limiter-flexible';
import { closingLimit } from '../http/closing-limit.ts';
import { type Allowance, createFailureLimit, networkOf } from '../http/failure-limit.ts';
import type { CountLimitHit } from '../metrics.ts';
import type { RegistrationPolicy } from './policy.ts';

const HOUR_SECONDS = 3600;

const EVERYBODY = 'all';

/** How many refusals and repetitions from one network are written into the audit trail in an hour. */
const RECORDS_PER_NETWORK = 200;

/** How often in a second a network whose quota is used up may still ask whether its client is there already. */
const LOOKUPS_PER_SECOND = 5;

/** Bounds what strangers can make the server store, as rates: nothing stays shut for longer than an hour. */
export type RegistrationQuota = {
  /**
   * Whether a request is one too many even to be looked at: where the quota is used up, a few in a second are, so that
   * a flood costs next to nothing, and a client that others have registered is still found.
   */
  overflow(address: string): Promise<Allowance>;
  /** Takes one new registration from an address. */
  take(address: string): Promise<Allowance>;
  /** Whether one more event from this address, which changes nothing, is worth a record. */
  isWorthRecording(address: string): Promise<boolean>;
};

/** Makes the quota over the database, so that it holds over all replicas. */
export function createRegistrationQuota(
  database: Database,
  { perNetworkPerHour, overallPerHour }: RegistrationPolicy['quota'],
  onHit: CountLimitHit,
): RegistrationQuota {
  const limit = (name: string, failures: number) =>
    closingLimit(createFailureLimit(database, { name, failures, windowSeconds: HOUR_SECONDS }));
  const network = limit('registration-network', perNetworkPerHour);
  const overall = limit('registration-overall', overallPerHour);
  const lookups = new RateLimiterMemory({ points: LOOKUPS_PER_SECOND, duration: 1 });
  const records = limit('registration-records', RECORDS_PER_NETWORK);
  const told = (name: string, allowance: Allowance): Allowance => {
    if (!allowance.allowed) onHit(name);
    return allowance;
  };
  return {
    async overflow(address) {
      const byNetworkSeconds = network.closedForSeconds(networkOf(address));
      const retryAfterSeconds = byNetworkSeconds || overall.closedForSeconds(EVERYBODY);
      if (retryAfterSeconds === 0 || (await hasRoom(lookups, networkOf(address)))) return { allowed: true };
      const name = byNetworkSeconds > 0 ? 'registration-network' : 'registration-overall';
      return told(name, { allowed: false, retryAfterSeconds, first: false });
    },
    async take(address) {
      const byNetwork = told('registration-network', await network.take(networkOf(address)));
      return byNetwork.allowed ? told('registration-overall', await overall.take(EVERYBODY)) : byNetwork;
    },
    isWorthRecording: async (address) => (await records.take(networkOf(address))).allowed,
  };
}

async function hasRoom(limiter: RateLimiterMemory, key: string): Promise<boolean> {
  try {
    await limiter.consume(key);
    return true;
  } catch (cause) {
    if (cause instanceof RateLimiterRes) return false;
    throw cause;
  }
}
