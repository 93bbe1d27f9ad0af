import type { AnalyticsOutcome } from './analytics.ts';

/** What the server tells the process that runs a query on SQLite. */
export type QueryMessage = { statement: string };

/** What comes back: once when the process is ready, and then for each query. */
export type QueryAnswer = { ready: true } | { outcome: AnalyticsOutcome } | { fault: string };
