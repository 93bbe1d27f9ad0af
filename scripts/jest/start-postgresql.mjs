import { startPostgresql } from '@portcullis/test-database';

/** One throwaway PostgreSQL server for the whole run; Jest calls this only when a selected test needs it. */
export default async function startSharedPostgresql() {
  const cluster = await startPostgresql({ durable: false });
  globalThis.portcullisTestCluster = cluster;
  process.env.PORTCULLIS_TEST_POSTGRESQL_URL = cluster.url;
}
