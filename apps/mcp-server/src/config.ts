import { type CertificateProxy, certificateProxyProblems } from '@portcullis/guard/node';
import {
  type EnvironmentReader,
  environmentReader,
  LOG_LEVELS,
  readCertificateProxy,
  type Secret,
} from '@portcullis/platform';
import { readTracing, type TracingConfig } from '@portcullis/platform/watching';
import { CONFIRMATION_POLICIES, type ConfirmationPolicy } from './confirmation/confirmation.ts';
import { type Limits, readLimits } from './policy/limits.ts';

const FEED_POLICIES = ['fail-closed-after', 'until-expiry'] as const;

/** Everything that an operator can set, checked and frozen. */
export type Config = {
  /** The authorization server's issuer, exactly as its metadata writes it. */
  readonly issuer: string;
  /** The canonical URL of this server: the audience that tokens must be issued for. */
  readonly mcpUrl: string;
  readonly host: string;
  /** 0 lets the system choose. */
  readonly port: number;
  readonly dataDir: string;
  /** How long the server goes on answering after `SIGTERM`, in seconds, so that proxies hear of it first. */
  readonly drainSeconds: number;
  /** Where the metrics are listened for; undefined for nowhere. */
  readonly metrics: { host: string; port: number } | undefined;
  /** Where traces go; undefined for nowhere. */
  readonly tracing: TracingConfig | undefined;
  /** A `postgresql://` URL; without one the tables live in SQLite under `dataDir`. */
  readonly databaseUrl: Secret | undefined;
  /** The role that query_analytics runs SQL as, in the same PostgreSQL database; without one that tool is not there. */
  readonly analyticsDatabaseUrl: Secret | undefined;
  readonly analyticsTimeoutSeconds: number;
  /** Whether the desk is two resources, to read and to act, with an audience each. */
  readonly split: boolean;
  /** Origins whose scripts may call this server, besides its own. */
  readonly allowedOrigins: readonly string[];
  /** What every token must be bound to; undefined where bearer tokens pass too. */
  readonly proofOfPossession: 'dpop' | 'certificate' | undefined;
  /** How the proxy that terminates TLS passes its clients' certificates. */
  readonly certificateProxy: CertificateProxy | undefined;
  /** How many reverse proxies stand in front. */
  readonly trustedProxies: number;
  /**
   * With what this server hears of revocations, and sends audit records. Without it a revoked token is taken until it
   * expires, and calls are in the log alone.
   */
  readonly clientSecret: Secret | undefined;
  readonly clientId: string;
  /** What becomes of requests when nothing was heard of revocations for `failClosedAfterSeconds`. */
  readonly whenFeedIsDown: (typeof FEED_POLICIES)[number];
  readonly failClosedAfterSeconds: number;
  readonly limits: Limits;
  /** Who may ask a user to confirm a dangerous call. */
  readonly confirmation: ConfirmationPolicy;
  /** The third-party service that tools work with, as the authorization server calls it, and where its API is. */
  readonly upstream: { readonly name: string; readonly api: string } | undefined;
  readonly logLevel: (typeof LOG_LEVELS)[number];
};

/**
 * Reads the configuration from the environment, or from `env`.
 * @throws {StartupError} with every problem at once.
 */
export function readConfig(
  env: Readonly<Record<string, string | undefined>> = process.env,
  flags: { split?: boolean } = {},
): Config {
  const reader = environmentReader(env);
  const config: Config = {
    issuer: withoutBareSlash(reader.url('PORTCULLIS_ISSUER', 'http://localhost:4000')),
    mcpUrl: withoutBareSlash(reader.url('PORTCULLIS_MCP_URL', 'http://localhost:4001/mcp')),
    host: reader.string('PORTCULLIS_MCP_HOST', '127.0.0.1'),
    port: reader.port('PORTCULLIS_MCP_PORT', 4001),
    dataDir: reader.string('PORTCULLIS_DATA_DIR', './data'),
    drainSeconds: reader.integer('PORTCULLIS_DRAIN_SECONDS', { fallback: 0, min: 0, max: 60 }),
    metrics: metricsOf(reader),
    tracing: readTracing(reader, { serviceName: 'portcullis-mcp-server' }),
    databaseUrl: databaseUrl(reader),
    analyticsDatabaseUrl: reader.secret('PORTCULLIS_MCP_ANALYTICS_DATABASE_URL'),
    analyticsTimeoutSeconds: reader.integer('PORTCULLIS_MCP_ANALYTICS_TIMEOUT', { fallback: 5, min: 1, max: 30 }),
    split: reader.oneOf('PORTCULLIS_MCP_SPLIT', ['off', 'on'], 'off') === 'on' || flags.split === true,
    allowedOrigins: origins(reader),
    proofOfPossession: proofOfPossession(reader),
    certificateProxy: readCertificateProxy(reader, certificateProxyProblems),
    trustedProxies: reader.integer('PORTCULLIS_TRUST_PROXY', { fallback: 0, min: 0, max: 10 }),
    clientSecret: reader.secret('PORTCULLIS_MCP_CLIENT_SECRET'),
    clientId: reader.string('PORTCULLIS_MCP_CLIENT_ID', 'mcp-server'),
    whenFeedIsDown: reader.oneOf('PORTCULLIS_MCP_WHEN_FEED_IS_DOWN', FEED_POLICIES, 'fail-closed-after'),
    failClosedAfterSeconds: reader.integer('PORTCULLIS_MCP_FAIL_CLOSED_AFTER', { fallback: 60, min: 6, max: 3600 }),
    limits: readLimits(reader),
    confirmation: reader.oneOf('PORTCULLIS_MCP_CONFIRMATION', CONFIRMATION_POLICIES, 'client'),
    upstream: upstream(reader),
    logLevel: reader.oneOf('LOG_LEVEL', LOG_LEVELS, 'info'),
  };
  if (config.proofOfPossession === 'certificate' && !config.certificateProxy) {
    reader.problem(
      'PORTCULLIS_MCP_PROOF_OF_POSSESSION is certificate, but PORTCULLIS_CLIENT_CERTIFICATE_HEADER does not say where certificates come from.',
    );
  }
  if (config.confirmation === 'page' && !config.clientSecret) {
    reader.problem(
      'PORTCULLIS_MCP_CONFIRMATION is page, but without PORTCULLIS_MCP_CLIENT_SECRET no page can be asked for.',
    );
  }
  if (config.analyticsDatabaseUrl && !isRoleOfItsOwn(config.analyticsDatabaseUrl, config.databaseUrl)) {
    reader.problem(
      'PORTCULLIS_MCP_ANALYTICS_DATABASE_URL must name the server and database of PORTCULLIS_MCP_DATABASE_URL, and another role.',
    );
  }
  reader.finish();
  return Object.freeze(config);
}

function upstream(reader: EnvironmentReader): Config['upstream'] {
  const name = reader.optional('PORTCULLIS_MCP_UPSTREAM');
  if (name === undefined) return undefined;
  if (reader.secret('PORTCULLIS_MCP_CLIENT_SECRET') === undefined)
    reader.problem('PORTCULLIS_MCP_UPSTREAM needs PORTCULLIS_MCP_CLIENT_SECRET: tokens are given to nobody else.');
  const api = reader.url('PORTCULLIS_MCP_UPSTREAM_API', 'https://api.github.com');
  return { name, api: api.href.replace(/\/$/, '') };
}

/** What `--stdio` needs: the running MCP server, and a personal access token for it. */
export type StdioConfig = { readonly mcpUrl: string; readonly token: Secret };

/**
 * Reads the configuration of `--stdio`.
 * @throws {StartupError} with every problem at once.
 */
export function readStdioConfig(env: Readonly<Record<string, string | undefined>> = process.env): StdioConfig {
  const reader = environmentReader(env);
  const mcpUrl = withoutBareSlash(reader.url('PORTCULLIS_MCP_URL', 'http://localhost:4001/mcp'));
  const named = env.PORTCULLIS_MCP_TOKEN || env.PORTCULLIS_MCP_TOKEN_FILE;
  const token = reader.secret('PORTCULLIS_MCP_TOKEN');
  if (!named) {
    reader.problem(
      'PORTCULLIS_MCP_TOKEN or PORTCULLIS_MCP_TOKEN_FILE must hold a personal access token; make one on your account page.',
    );
  }
  reader.finish();
  if (!token) throw new Error('a missing token was not noticed');
  return Object.freeze({ mcpUrl, token });
}

/** `URL` puts a slash behind a bare host; identifiers are compared as strings and are written without it. */
function withoutBareSlash(url: URL): string {
  return url.pathname === '/' ? url.origin : url.href;
}

function metricsOf(reader: EnvironmentReader): Config['metrics'] {
  const host = reader.string('PORTCULLIS_MCP_METRICS_HOST', '127.0.0.1');
  if (reader.optional('PORTCULLIS_MCP_METRICS_PORT') === undefined) return undefined;
  return { host, port: reader.port('PORTCULLIS_MCP_METRICS_PORT', 0) };
}

function databaseUrl(reader: EnvironmentReader): Secret | undefined {
  const secret = reader.secret('PORTCULLIS_MCP_DATABASE_URL');
  if (secret === undefined) return undefined;
  const text = secret.reveal();
  if (!/^postgres(ql)?:\/\//.test(text) || !URL.canParse(text)) {
    reader.problem('PORTCULLIS_MCP_DATABASE_URL must be a postgresql:// URL. Leave it unset to use SQLite.');
  }
  return secret;
}

/** The boundary is checked over the desk's own connection, so it has to be the same database, spelled alike. */
function isRoleOfItsOwn(analytics: Secret, desk: Secret | undefined): boolean {
  if (desk === undefined || !URL.canParse(analytics.reveal()) || !URL.canParse(desk.reveal())) return false;
  const [ours, theirs] = [new URL(desk.reveal()), new URL(analytics.reveal())];
  const samePlace = ours.host === theirs.host && ours.pathname === theirs.pathname;
  return samePlace && theirs.username !== '' && theirs.username !== ours.username;
}

function proofOfPossession(reader: EnvironmentReader): Config['proofOfPossession'] {
  const word = reader.oneOf('PORTCULLIS_MCP_PROOF_OF_POSSESSION', ['none', 'dpop', 'certificate'], 'none');
  return word === 'none' ? undefined : word;
}

function origins(reader: EnvironmentReader): readonly string[] {
  const name = 'PORTCULLIS_MCP_ALLOWED_ORIGINS';
  const entries = reader
    .string(name, '')
    .split(/[\s,]+/)
    .filter((entry) => entry !== '');
  if (!entries.every(isOrigin)) {
    reader.problem(`${name} must list origins such as https://app.example.com, separated by commas, without paths.`);
  }
  return Object.freeze(entries);
}

function isOrigin(text: string): boolean {
  return /^https?:\/\//.test(text) && URL.canParse(text) && new URL(text).origin === text;
}
