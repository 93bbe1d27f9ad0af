import type { Guard } from '@portcullis/guard';

/** What the guard says of itself, in Prometheus' text form. */
export function guardMetrics(guard: Pick<Guard, 'metrics'>) {
  return {
    contentType: 'text/plain; version=0.0.4; charset=utf-8',
    text: async () => textOf(guard.metrics().revocation),
  };
}

function textOf({ mode, fresh, ageSeconds, revokedGrants }: ReturnType<Guard['metrics']>['revocation']): string {
  const lines = [
    ...gauge(
      'portcullis_guard_revocation_feed',
      '1 with a revocation feed, 0 where tokens live until they expire',
      mode === 'feed' ? 1 : 0,
    ),
    ...gauge(
      'portcullis_guard_revocation_fresh',
      '1 while all that was revoked six seconds ago is known',
      fresh ? 1 : 0,
    ),
    ...gauge('portcullis_guard_revoked_grants', 'How many grants are refused', revokedGrants),
    // Before the first heartbeat there is no age.
    ...(ageSeconds === undefined
      ? []
      : gauge('portcullis_guard_revocation_age_seconds', 'Since the last heartbeat of the feed', ageSeconds)),
  ];
  return `${lines.join('\n')}\n`;
}

function gauge(name: string, help: string, value: number): string[] {
  return [`# HELP ${name} ${help}`, `# TYPE ${name} gauge`, `${name} ${value}`];
}
