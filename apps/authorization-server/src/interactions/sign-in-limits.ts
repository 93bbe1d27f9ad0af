import type { Database } from '@portcullis/persistence';
import { type Allowance, counted, createFailureLimit, networkOf } from '../http/failure-limit.ts';
import type { CountLimitHit } from '../metrics.ts';

/** Who is trying to sign in. */
type Attempt = { email: string; address: string; device: string | undefined };

/** Throttles sign-ins by where they come from and by account, without locking the owner out (SP-39). */
export type SignInLimits = {
  /** Takes one try before the password is looked at. */
  take(attempt: Attempt): Promise<Allowance>;
  /** Gives the try back after a sign-in that succeeded. */
  giveBack(attempt: Attempt): Promise<void>;
};

/** Ten failures in 15 minutes from one network or known browser; 100 in an hour for one account from strangers. */
const FROM_ONE_PLACE = { name: 'sign-in-place', failures: 10, windowSeconds: 900 };
const FOR_ONE_ACCOUNT = { name: 'sign-in-account', failures: 100, windowSeconds: 3600 };

/** Makes the limits over the database, so that they hold over all replicas. */
export function createSignInLimits(database: Database, onHit: CountLimitHit): SignInLimits {
  const limit = (of: typeof FROM_ONE_PLACE) => counted(createFailureLimit(database, of), () => onHit(of.name));
  const place = limit(FROM_ONE_PLACE);
  const account = limit(FOR_ONE_ACCOUNT);
  const placeKey = ({ device, address }: Attempt) =>
    device === undefined ? `address ${networkOf(address)}` : `device ${device}`;
  return {
    async take(attempt) {
      const byPlace = await place.take(placeKey(attempt));
      if (!byPlace.allowed || attempt.device !== undefined) return byPlace;
      return account.take(attempt.email);
    },
    async giveBack(attempt) {
      await place.giveBack(placeKey(attempt));
      if (attempt.device === undefined) await account.giveBack(attempt.email);
    },
  };
}
