import type { AuditEvent } from '@portcullis/platform';
import {
  createProcessMetrics,
  type ProcessMetrics,
  type WatchRequest,
  watchRequests,
} from '@portcullis/platform/watching';
import { grantChange } from './metrics/grant-change.ts';
import { FAILURE_CLASSES, type LoginFailure, loginFailure } from './metrics/login-failure.ts';
import type { RegistrationOutcome } from './metrics/registration-outcome.ts';
import { grantTypeLabel, type TokenOutcome } from './metrics/token-outcome.ts';
import { ANOMALIES, type Anomaly } from './redemption/anomaly.ts';
import type { UpstreamFailure } from './upstream/connector.ts';

const REUSED = ['code', 'refresh_token'] as const;
const LOGIN_WAYS = ['password', 'upstream'] as const;

/** What is counted about codes and refresh tokens. */
export type TokenMetrics = {
  /** A refresh token was rotated. */
  rotated(): void;
  /** The answer to a rotation was given again, within the grace. */
  replayed(): void;
  /** A refresh token was refused whose successor had been used, within its own grace. */
  superseded(): void;
  /** A code or refresh token was used again, and its grant revoked. */
  reused(kind: (typeof REUSED)[number]): void;
  anomaly(kind: Anomaly): void;
  /** The token endpoint has answered. */
  answered(grantType: unknown, outcome: TokenOutcome): void;
};

/** What is counted about people who sign in. */
export type LoginMetrics = {
  succeeded(way: (typeof LOGIN_WAYS)[number]): void;
  failed(failure: LoginFailure): void;
};

/** Counts a registration that a client asked for. */
export type CountRegistration = (outcome: RegistrationOutcome) => void;

/** Counts what a limit has turned away. */
export type CountLimitHit = (limit: string) => void;

/** Counts an attempt to refresh the tokens of an upstream, by the name that the configuration gives it. */
export type CountUpstreamRefresh = (upstream: string, outcome: 'success' | UpstreamFailure) => void;

/** Everything that this process counts and measures. */
export type Metrics = Pick<ProcessMetrics, 'gauge' | 'addProcess' | 'text' | 'contentType'> & {
  tokens: TokenMetrics;
  logins: LoginMetrics;
  registration: CountRegistration;
  limitHit: CountLimitHit;
  upstreamRefresh: CountUpstreamRefresh;
  /** Counts what an audit event says of grants, and of clients that an administrator registers. */
  recorded(event: AuditEvent): void;
  watchRequest: WatchRequest;
};

/** Counts for one server, apart from those of any other in the same process. */
export function createMetrics(): Metrics {
  const metrics = createProcessMetrics();
  const { counter, counterOf, gauge, addProcess, text, contentType } = metrics;
  const rotations = counter('portcullis_refresh_rotations_total', 'Refresh tokens that were rotated.');
  const replays = counter(
    'portcullis_refresh_replays_total',
    'Answers to a refresh that were given again within the grace.',
  );
  const superseded = counter(
    'portcullis_refresh_superseded_total',
    'Refresh tokens that were refused, within their grace, because their successor was in use.',
  );
  const reuse = counterOf({
    name: 'portcullis_token_reuse_total',
    help: 'Codes and refresh tokens that were used again; ends their grant.',
    label: 'kind',
    values: REUSED,
  });
  const anomalies = counterOf({
    name: 'portcullis_anomalies_total',
    help: 'What somebody should look at; the audit trail says more.',
    label: 'kind',
    values: ANOMALIES,
  });
  const answers = counter(
    'portcullis_token_requests_total',
    'Answers of the token endpoint, by grant type and outcome: success, or the error of OAuth.',
    ['grant_type', 'outcome'],
  );
  const logins = counterOf({
    name: 'portcullis_logins_total',
    help: 'Sign-ins that succeeded.',
    label: 'way',
    values: LOGIN_WAYS,
  });
  const failures = counterOf({
    name: 'portcullis_login_failures_total',
    help: 'Sign-ins that failed, by class of reason.',
    label: 'reason',
    values: FAILURE_CLASSES,
  });
  const registrations = counter('portcullis_registrations_total', 'Registrations of clients that were asked for.', [
    'kind',
    'outcome',
  ]);
  const limitHits = counter('portcullis_limiter_hits_total', 'What a limit has turned away, by limit.', ['limit']);
  const refreshes = counter('portcullis_upstream_refreshes_total', 'Refreshes of tokens at upstreams.', [
    'upstream',
    'outcome',
  ]);
  const started = counter('portcullis_grants_started_total', 'Grants that were given, by what gave them.', ['by']);
  const ended = counter('portcullis_grants_ended_total', 'Grants that were ended one by one, by who or what did.', [
    'by',
  ]);
  return {
    ...{ gauge, addProcess, text, contentType },
    tokens: {
      rotated: () => rotations.inc(),
      replayed: () => replays.inc(),
      superseded: () => superseded.inc(),
      reused: (kind) => reuse.inc({ kind }),
      anomaly: (kind) => anomalies.inc({ kind }),
      answered: (grantType, outcome) => answers.inc({ grant_type: grantTypeLabel(grantType), outcome }),
    },
    logins: {
      succeeded: (way) => logins.inc({ way }),
      failed: (failure) => failures.inc({ reason: loginFailure(failure) }),
    },
    registration: (outcome) => registrations.inc({ kind: 'dynamic', outcome }),
    limitHit: (limit) => limitHits.inc({ limit }),
    upstreamRefresh: (upstream, outcome) => refreshes.inc({ upstream, outcome }),
    recorded(event) {
      const { type, detail } = event;
      if (type === 'client.registered' && detail?.by === 'administrator')
        registrations.inc({ kind: 'administrator', outcome: 'registered' });
      const change = grantChange(event);
      if (change) (change.what === 'started' ? started : ended).inc({ by: change.by });
    },
    watchRequest: watchRequests(metrics),
  };
}
