import { DEFAULT_LIMITS, type Limits } from '../../src/policy/limits.ts';

const MANY = 100_000_000;

/** Limits that a test with thousands of calls does not meet. */
export const WIDE_LIMITS: Limits = {
  ...DEFAULT_LIMITS,
  user: { pointsPerMinute: MANY, pointsPerDay: MANY },
  client: { pointsPerMinute: MANY, pointsPerDay: MANY },
  toolCallsPerMinute: MANY,
  userCallsAtOnce: 1000,
  callsAtOnce: 10_000,
  userSubscriptions: 1000,
  subscriptions: 1000,
};
