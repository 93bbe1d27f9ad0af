import type { Database } from '@portcullis/persistence';
import { type Allowance, createFailureLimit, networkOf } from '../http/failure-limit.ts';
import type { RegistrationPolicy } from './policy.ts';

const HOUR_SECONDS = 3600;

/** How many refusals and repetitions from one network are written into the audit trail in an hour. */
const RECORDS_PER_NETWORK = 200;

/** Bounds what strangers can make the server store, as rates: nothing stays shut for longer than an hour. */
export type RegistrationQuota = {
  /** Takes one new registration from an address. */
  take(address: string): Promise<Allowance>;
  /** Whether one more event from this address, which changes nothing, is worth a record. */
  isWorthRecording(address: string): Promise<boolean>;
};

/** Makes the quota over the database, so that it holds over all replicas. */
export function createRegistrationQuota(
  database: Database,
  { perNetworkPerHour, overallPerHour }: RegistrationPolicy['quota'],
): RegistrationQuota {
  const limit = (name: string, failures: number) =>
    createFailureLimit(database, { name, failures, windowSeconds: HOUR_SECONDS, final: true });
  const network = limit('registration-network', perNetworkPerHour);
  const overall = limit('registration-overall', overallPerHour);
  const records = limit('registration-records', RECORDS_PER_NETWORK);
  return {
    async take(address) {
      const byNetwork = await network.take(networkOf(address));
      return byNetwork.allowed ? overall.take('all') : byNetwork;
    },
    isWorthRecording: async (address) => (await records.take(networkOf(address))).allowed,
  };
}
