import type { AuditChain, Database } from '@portcullis/persistence';
import type { Clock } from '@portcullis/platform';
import type { Metrics } from '../metrics.ts';

/** What is measured when somebody reads the metrics. */
type Measured = { database: Database; chain: Pick<AuditChain, 'unsealed' | 'oldestUnsealed'>; clock: Clock };

/** Adds what is measured rather than counted; each reading asks the database, and shows nothing while that is away. */
export function addGauges({ gauge }: Pick<Metrics, 'gauge'>, { database, chain, clock }: Measured): void {
  gauge({
    name: 'portcullis_database_up',
    help: '1 while the database answers, else 0.',
    measure: () =>
      database.ready().then(
        () => 1,
        () => 0,
      ),
  });
  gauge({
    name: 'portcullis_database_connections',
    help: 'Connections of the pool to PostgreSQL by state, and requests that wait for one; nothing on SQLite.',
    label: 'state',
    measure: () => database.connections(),
  });
  gauge({
    name: 'portcullis_audit_unsealed_records',
    help: 'Audit records that have no place in the chain yet.',
    measure: () => chain.unsealed(),
  });
  gauge({
    name: 'portcullis_audit_oldest_unsealed_age_seconds',
    help: 'Age of the oldest of these, 0 where there is none.',
    measure: async () => {
      const oldest = await chain.oldestUnsealed();
      return oldest ? Math.max(0, clock().getTime() - oldest.getTime()) / 1000 : 0;
    },
  });
}
