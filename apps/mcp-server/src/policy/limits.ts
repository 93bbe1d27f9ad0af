import type { EnvironmentReader } from '@portcullis/platform';

/** How much one caller may spend, in points; each call costs what its tool declares. */
type Budget = { readonly pointsPerMinute: number; readonly pointsPerDay: number };

/** What keeps one caller from taking the server from the others (SP-30). */
export type Limits = {
  /** One user, over all of the clients that act for them. */
  readonly user: Budget;
  /** One client, over all of its users. Many people may share one, so it is far above a single user's. */
  readonly client: Budget;
  /** Calls of one tool by one user. A tool may declare fewer. */
  readonly toolCallsPerMinute: number;
  /** Calls of one user that run at the same time on one replica. */
  readonly userCallsAtOnce: number;
  /** Calls of everybody that run at the same time on one replica. */
  readonly callsAtOnce: number;
  /** Subscriptions of one user that are open at the same time on one replica. */
  readonly userSubscriptions: number;
  /** Subscriptions of everybody that are open at the same time on one replica. */
  readonly subscriptions: number;
  /** After so long a call is cancelled. */
  readonly toolTimeoutMs: number;
  /** A larger answer is not sent. */
  readonly resultSizeBytes: number;
};

/** Limits that an agent which calls a tool every second, all day long, does not meet. */
export const DEFAULT_LIMITS: Limits = Object.freeze({
  user: { pointsPerMinute: 600, pointsPerDay: 100_000 },
  client: { pointsPerMinute: 6000, pointsPerDay: 1_000_000 },
  toolCallsPerMinute: 300,
  userCallsAtOnce: 16,
  callsAtOnce: 128,
  userSubscriptions: 16,
  subscriptions: 256,
  toolTimeoutMs: 20_000,
  resultSizeBytes: 256 * 1024,
});

const POINTS_CAP = 100_000_000;

/** Reads the limits from the environment. What would switch one off is a problem, and so is one that could never be reached. */
export function readLimits(reader: EnvironmentReader): Limits {
  const { user, client, toolCallsPerMinute, userCallsAtOnce, callsAtOnce, toolTimeoutMs, resultSizeBytes } =
    DEFAULT_LIMITS;
  const { userSubscriptions, subscriptions } = DEFAULT_LIMITS;
  const points = (name: string, fallback: number) =>
    reader.integer(`PORTCULLIS_MCP_${name}`, { fallback, min: 10, max: POINTS_CAP });
  const limits: Limits = {
    user: {
      pointsPerMinute: points('USER_POINTS_PER_MINUTE', user.pointsPerMinute),
      pointsPerDay: points('USER_POINTS_PER_DAY', user.pointsPerDay),
    },
    client: {
      pointsPerMinute: points('CLIENT_POINTS_PER_MINUTE', client.pointsPerMinute),
      pointsPerDay: points('CLIENT_POINTS_PER_DAY', client.pointsPerDay),
    },
    toolCallsPerMinute: reader.integer('PORTCULLIS_MCP_TOOL_CALLS_PER_MINUTE', {
      fallback: toolCallsPerMinute,
      min: 1,
      max: POINTS_CAP,
    }),
    userCallsAtOnce: reader.integer('PORTCULLIS_MCP_USER_CALLS_AT_ONCE', {
      fallback: userCallsAtOnce,
      min: 1,
      max: 1000,
    }),
    callsAtOnce: reader.integer('PORTCULLIS_MCP_CALLS_AT_ONCE', { fallback: callsAtOnce, min: 1, max: 10_000 }),
    userSubscriptions,
    subscriptions,
    toolTimeoutMs:
      reader.integer('PORTCULLIS_MCP_TOOL_TIMEOUT', { fallback: toolTimeoutMs / 1000, min: 1, max: 300 }) * 1000,
    resultSizeBytes: reader.integer('PORTCULLIS_MCP_RESULT_SIZE', {
      fallback: resultSizeBytes,
      min: 1024,
      max: 4 * 1024 * 1024,
    }),
  };
  for (const problem of limitProblems(limits)) reader.problem(problem);
  return Object.freeze(limits);
}

/** A limit behind a smaller one protects nothing: whoever set it meant something else. */
function limitProblems({ user, client, userCallsAtOnce, callsAtOnce }: Limits): string[] {
  const atLeast = (large: [string, number], small: [string, number]) =>
    large[1] < small[1] ? [`PORTCULLIS_MCP_${large[0]} must not be below PORTCULLIS_MCP_${small[0]}.`] : [];
  return [
    ...atLeast(['USER_POINTS_PER_DAY', user.pointsPerDay], ['USER_POINTS_PER_MINUTE', user.pointsPerMinute]),
    ...atLeast(['CLIENT_POINTS_PER_DAY', client.pointsPerDay], ['CLIENT_POINTS_PER_MINUTE', client.pointsPerMinute]),
    ...atLeast(['CLIENT_POINTS_PER_MINUTE', client.pointsPerMinute], ['USER_POINTS_PER_MINUTE', user.pointsPerMinute]),
    ...atLeast(['CLIENT_POINTS_PER_DAY', client.pointsPerDay], ['USER_POINTS_PER_DAY', user.pointsPerDay]),
    ...atLeast(['CALLS_AT_ONCE', callsAtOnce], ['USER_CALLS_AT_ONCE', userCallsAtOnce]),
  ];
}
