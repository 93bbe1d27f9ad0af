import type { Logger, Secret } from '@portcullis/platform';
import { Kysely, sql } from 'kysely';
import { sqliteFile } from '../store/open-store.ts';
import { postgresqlDialect } from '../store/postgresql-dialect.ts';
import type { DeskTables } from '../store/tables.ts';
import { fewAtOnce, type SharedAnalytics } from './few-at-once.ts';
import { postgresqlAnalytics } from './postgresql-analytics.ts';
import { boundaryProblems } from './postgresql-boundary.ts';
import { sqliteAnalytics } from './sqlite-analytics.ts';
import { ANALYTICS_VIEWS } from './views.ts';

/** Where the desk's tables live, and with what queries run there. */
export type AnalyticsOptions = {
  dataDir: string;
  databaseUrl: Secret | undefined;
  analyticsDatabaseUrl: Secret | undefined;
  analyticsTimeoutSeconds: number;
};

const PLACES = { running: 2, waiting: 16, ofUser: { running: 1, waiting: 2 } };
const HELP = 'run docker/analytics-role.sql as a superuser; see docs/configuration.md';

/**
 * What query_analytics runs on; `undefined` where PostgreSQL has no role for it, and, with a line in the log that says
 * why, where that role could do more than read the views.
 * The desk's tables must be up to date.
 */
export async function openAnalytics(options: AnalyticsOptions, logger: Logger): Promise<SharedAnalytics | undefined> {
  const { databaseUrl, analyticsDatabaseUrl, dataDir } = options;
  const timeoutMs = options.analyticsTimeoutSeconds * 1000;
  if (databaseUrl === undefined) return fewAtOnce(sqliteAnalytics({ file: sqliteFile(dataDir), timeoutMs }), PLACES);
  if (analyticsDatabaseUrl === undefined) return undefined;
  const problems = await prepareBoundary(
    databaseUrl,
    decodeURIComponent(new URL(analyticsDatabaseUrl.reveal()).username),
    logger,
  );
  if (problems.length > 0) {
    logger.error({ problems }, `query_analytics is off: its database role is no boundary; ${HELP}`);
    return undefined;
  }
  const connections = PLACES.running;
  return fewAtOnce(postgresqlAnalytics({ url: analyticsDatabaseUrl, timeoutMs, connections }, logger), PLACES);
}

/** Makes the views, lets the role read them, and asks the server whether that is all that it may. */
async function prepareBoundary(owner: Secret, role: string, logger: Logger): Promise<string[]> {
  const db = new Kysely<DeskTables>(postgresqlDialect(owner, logger));
  try {
    const { rows } =
      await sql`select from pg_namespace, pg_roles where nspname = 'analytics' and rolname = ${role}`.execute(db);
    if (rows.length === 0) return ['the role or the schema analytics is not there'];
    await createViews(db, role);
    return await boundaryProblems(db, role);
  } finally {
    await db.destroy();
  }
}

/** Any number will do, as long as nothing else in the database locks the same. */
const ADVISORY_LOCK = 7_268_534_202;

/** Replicas that start at once take turns: PostgreSQL refuses two that replace one view at the same moment. */
async function createViews(db: Kysely<DeskTables>, role: string): Promise<void> {
  await db.transaction().execute(async (transaction) => {
    await sql`select pg_advisory_xact_lock(${sql.lit(ADVISORY_LOCK)})`.execute(transaction);
    for (const { name, select } of ANALYTICS_VIEWS) {
      const view = sql.id('analytics', name);
      await sql`create or replace view ${view} with (security_barrier) as ${sql.raw(select)}`.execute(transaction);
      await sql`revoke all on ${view} from public`.execute(transaction);
      await sql`grant select on ${view} to ${sql.id(role)}`.execute(transaction);
    }
  });
}
