import type { Guard, RevocationMetrics } from '@portcullis/guard';
import type { AuditWaiting } from '../audit/spool.ts';
import type { DeskStore } from '../store/desk-store.ts';
import type { Metrics } from './metrics.ts';

/** What is measured when somebody reads the metrics: of each part of the desk, and of all of it. */
export type Measured = {
  parts: readonly { guard: Pick<Guard, 'metrics'>; audit: { waiting(): AuditWaiting } }[];
  store: Pick<DeskStore, 'ping' | 'connections'>;
};

/** Adds what is measured rather than counted. Where the desk is split, the worse of both parts is shown. */
export function addGauges({ gauge }: Pick<Metrics, 'gauge'>, { parts, store }: Measured): void {
  const revocations = () => parts.map(({ guard }) => guard.metrics().revocation);
  const waiting = () => parts.map(({ audit }) => audit.waiting());
  gauge({
    name: 'portcullis_guard_revocation_feed',
    help: '1 with a revocation feed, 0 where tokens live until they expire',
    measure: () => bit(revocations().every(({ mode }) => mode === 'feed')),
  });
  gauge({
    name: 'portcullis_guard_revocation_fresh',
    help: '1 while all that was revoked six seconds ago is known',
    measure: () => bit(revocations().every(({ fresh }) => fresh)),
  });
  gauge({
    name: 'portcullis_guard_revocation_age_seconds',
    help: 'Since the last heartbeat of the feed',
    // Before the first heartbeat there is no age.
    measure: () => oldestOf(revocations()),
  });
  gauge({
    name: 'portcullis_guard_revocation_closed',
    help: '1 while tokens are refused because nothing was heard of revocations for too long',
    measure: () => bit(revocations().some(({ closed }) => closed)),
  });
  gauge({
    name: 'portcullis_guard_revoked_grants',
    help: 'How many grants are refused',
    measure: () => revocations().reduce((sum, { revokedGrants }) => sum + revokedGrants, 0),
  });
  gauge({
    name: 'portcullis_audit_spool_bytes',
    help: 'Audit records that wait to be sent to the authorization server, in bytes.',
    measure: () => waiting().reduce((sum, { bytes }) => sum + bytes, 0),
  });
  gauge({
    name: 'portcullis_audit_spool_oldest_age_seconds',
    help: 'For how long the oldest of them has waited, 0 where none does.',
    measure: () => Math.max(...waiting().map(({ oldestAgeSeconds }) => oldestAgeSeconds)),
  });
  gauge({
    name: 'portcullis_database_up',
    help: '1 while the database answers, else 0.',
    measure: () =>
      store.ping().then(
        () => 1,
        () => 0,
      ),
  });
  gauge({
    name: 'portcullis_database_connections',
    help: 'Connections of the pool to PostgreSQL by state, and requests that wait for one; nothing on SQLite.',
    label: 'state',
    measure: () => store.connections(),
  });
}

function bit(value: boolean): number {
  return value ? 1 : 0;
}

function oldestOf(revocations: readonly RevocationMetrics[]): number | undefined {
  const ages = revocations.flatMap(({ ageSeconds }) => ageSeconds ?? []);
  return ages.length === 0 ? undefined : Math.max(...ages);
}
