import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { certificateProxyProblems } from '@portcullis/guard/node';
import {
  type EnvironmentReader,
  environmentReader,
  isLoopbackHost,
  LOG_LEVELS,
  readCertificateProxy,
  type Secret,
} from '@portcullis/platform';
import { readTracing, type TracingConfig } from '@portcullis/platform/watching';
import type { AuditPolicy } from './audit-trail/retention.ts';
import { readAuthorities } from './client-certificate/certificate-authority.ts';
import { type ConfigurationFile, defaultConfiguration, readConfigurationFile } from './configuration-file.ts';
import { type IdentityProviders, identityProviderProblems } from './enterprise/identity-provider.ts';
import { type SigningKeyPolicy, signingKeyProblems } from './keys/key-policy.ts';
import type { ClientCertificates } from './provider/mutual-tls.ts';
import type { RegistrationPolicy } from './registration/policy.ts';
import { isOwnUrl } from './resource-url.ts';
import { deskResources, type Resource } from './resources.ts';
import { BUILT_IN_ROLES, type RolePermissions } from './roles.ts';
import type { McpServerCredentials } from './setup/mcp-server-client.ts';
import { type Site, siteOf } from './site.ts';
import {
  signInRoleProblems,
  type Upstream,
  upstreamOf,
  upstreamOrigins,
  upstreamSecretVariable,
} from './upstream/upstream.ts';

/** Everything that the authorization server is told from outside. */
export type Config = Readonly<{
  site: Site;
  host: string;
  port: number;
  /** The built-in resource first; it is what a request without `resource` gets. */
  resources: readonly [Resource, ...Resource[]];
  /** Those of them that the bundled MCP server serves: one, or two where it is split. */
  deskResources: readonly Resource[];
  roles: RolePermissions;
  registration: RegistrationPolicy;
  clientMetadataDocuments: ConfigurationFile['clientMetadataDocuments'];
  dpop: ConfigurationFile['dpop'];
  /** Whose assertions are taken in place of a user's consent, by issuer; nobody's by default. */
  identityProviders: IdentityProviders;
  /** How the certificates of clients come in; undefined where none do. */
  clientCertificates: ClientCertificates | undefined;
  signingKeys: SigningKeyPolicy;
  audit: AuditPolicy;
  /** Third-party authorization servers that users are sent to. */
  upstreams: readonly Upstream[];
  dataFolder: string;
  /** A `file:` or `postgresql:` URL. */
  databaseUrl: Secret | undefined;
  migrateDatabaseUrl: Secret | undefined;
  /** Whether connections to PostgreSQL keep prepared statements. */
  preparesStatements: boolean;
  /** 32 bytes as base64url; generated in the data folder when it is unset and the database is empty. */
  masterKey: Secret | undefined;
  /** The master key before this one, while something may still be encrypted under it. */
  previousMasterKey: Secret | undefined;
  /** How many reverse proxies stand in front. */
  trustedProxies: number;
  accessTokenTtlSeconds: number;
  refreshTokens: ConfigurationFile['refreshTokens'];
  /** How long the answer to a refresh may be given again, in seconds; 0 for never. */
  refreshGraceSeconds: number;
  /** How long the server goes on answering after `SIGTERM`, in seconds, so that proxies hear of it first. */
  drainSeconds: number;
  /** Where the metrics are listened for; undefined for nowhere. */
  metrics: { host: string; port: number } | undefined;
  /** Where traces go; undefined for nowhere. */
  tracing: TracingConfig | undefined;
  firstAdministrator: { email: string; password: Secret } | undefined;
  /** With what the bundled MCP server authenticates; undefined where it does not. */
  mcpServer: McpServerCredentials | undefined;
  logLevel: (typeof LOG_LEVELS)[number];
}>;

/**
 * Reads the environment and the configuration file. The only place that does.
 * @throws {StartupError} listing every problem at once, without a value.
 */
export function readConfig(env: Readonly<Record<string, string | undefined>> = process.env): Config {
  const read = environmentReader(env);
  const issuer = issuerOf(read);
  const mcpUrl = read.url('PORTCULLIS_MCP_URL', 'http://localhost:4001/mcp');
  const file = configurationFileOf(read);
  const split = read.oneOf('PORTCULLIS_MCP_SPLIT', ['off', 'on'], 'off') === 'on';
  const desk = deskResources(mcpUrl.pathname === '/' ? mcpUrl.origin : mcpUrl.href, split);
  const resources = resourcesOf(desk, file);
  refuseOwnUrls(read, { resources, site: siteOf(issuer) });
  const masterKey = read.secret('PORTCULLIS_MASTER_KEY');
  if (masterKey === undefined && !isLoopbackHost(new URL(issuer).hostname)) {
    read.problem(
      'PORTCULLIS_MASTER_KEY (or PORTCULLIS_MASTER_KEY_FILE, outside the data folder) must be set when the issuer is not loopback.',
    );
  }
  const dataFolder = resolve(read.string('PORTCULLIS_DATA_DIR', './data'));
  refuseKeyInsideDataFolder(read, { issuer, dataFolder });

  const config: Config = {
    site: siteOf(issuer),
    host: read.string('PORTCULLIS_HOST', '127.0.0.1'),
    port: read.port('PORTCULLIS_PORT', 4000),
    resources,
    deskResources: resources.filter(({ url }) => desk.some((own) => own.url === url)),
    roles: { ...BUILT_IN_ROLES, ...file.roles },
    registration: file.registration,
    clientMetadataDocuments: file.clientMetadataDocuments,
    dpop: file.dpop,
    identityProviders: file.enterpriseAuthorization.identityProviders,
    clientCertificates: clientCertificatesOf(read),
    signingKeys: file.signingKeys,
    audit: file.audit,
    upstreams: upstreamsOf(read, { file, issuer }),
    dataFolder,
    databaseUrl: databaseUrlOf(read, 'DATABASE_URL'),
    migrateDatabaseUrl: databaseUrlOf(read, 'PORTCULLIS_MIGRATE_DATABASE_URL'),
    preparesStatements: read.oneOf('PORTCULLIS_DATABASE_PREPARED_STATEMENTS', ['on', 'off'], 'on') === 'on',
    masterKey,
    previousMasterKey: read.secret('PORTCULLIS_MASTER_KEY_PREVIOUS'),
    trustedProxies: read.integer('PORTCULLIS_TRUST_PROXY', { fallback: 0, min: 0, max: 10 }),
    accessTokenTtlSeconds: read.integer('PORTCULLIS_ACCESS_TOKEN_TTL', { fallback: 300, min: 5, max: 3600 }),
    refreshTokens: file.refreshTokens,
    refreshGraceSeconds: read.integer('PORTCULLIS_REFRESH_GRACE', { fallback: 120, min: 0, max: 600 }),
    drainSeconds: read.integer('PORTCULLIS_DRAIN_SECONDS', { fallback: 0, min: 0, max: 60 }),
    metrics: metricsOf(read),
    tracing: readTracing(read, { serviceName: 'portcullis-authorization-server' }),
    firstAdministrator: firstAdministratorOf(read),
    mcpServer: mcpServerCredentials(read),
    logLevel: read.oneOf('LOG_LEVEL', LOG_LEVELS, 'info'),
  };
  refuseUnprovableResources(read, config);
  const fetchPorts = config.clientMetadataDocuments.ports;
  const rules = { fetchPorts, roles: Object.keys(config.roles) };
  for (const problem of identityProviderProblems(config.identityProviders, rules)) read.problem(problem);
  for (const problem of signInRoleProblems(config.upstreams, rules.roles)) read.problem(problem);
  for (const problem of signingKeyProblems(config.signingKeys, config.accessTokenTtlSeconds)) read.problem(problem);
  read.finish();
  return Object.freeze(config);
}

/** Loopback is in reach where this server lives there itself, so that tests and first tries work (SP-32). */
function upstreamsOf(
  read: EnvironmentReader,
  { file, issuer }: { file: ConfigurationFile; issuer: string },
): readonly Upstream[] {
  return Object.entries(file.upstreams).map(([key, given]) => {
    const variable = upstreamSecretVariable(key);
    const upstream = upstreamOf(key, given, read.secret(variable));
    if (upstream.clientAuthentication !== 'none' && upstream.clientSecret === undefined)
      read.problem(`${variable} (or ${variable}_FILE) must be set: the secret of this server at the upstream ${key}.`);
    const isLocal = upstreamOrigins(upstream).some((origin) => isLoopbackHost(new URL(origin).hostname));
    if (isLocal && !isLoopbackHost(new URL(issuer).hostname)) {
      read.problem(
        `Configuration file, upstreams → ${key}: is on a loopback host, but PORTCULLIS_ISSUER is not. Give its public URLs.`,
      );
    }
    return upstream;
  });
}

function issuerOf(read: EnvironmentReader): string {
  const fallback = 'http://localhost:4000';
  read.url('PORTCULLIS_ISSUER', fallback);
  const issuer = read.string('PORTCULLIS_ISSUER', fallback);
  if (!URL.canParse(issuer)) return fallback;
  const { origin, pathname } = new URL(issuer);
  const canonical = pathname === '/' ? origin : `${origin}${pathname}`;
  if (issuer !== canonical || issuer.endsWith('/')) {
    read.problem('PORTCULLIS_ISSUER must be in canonical form: lower-case host, no default port, no trailing slash.');
  }
  return issuer;
}

function refuseKeyInsideDataFolder(
  read: EnvironmentReader,
  { issuer, dataFolder }: { issuer: string; dataFolder: string },
): void {
  const file = read.optional('PORTCULLIS_MASTER_KEY_FILE');
  if (file === undefined || isLoopbackHost(new URL(issuer).hostname)) return;
  if (resolve(file).startsWith(join(dataFolder, '/'))) {
    read.problem('PORTCULLIS_MASTER_KEY_FILE must lie outside the data folder when the issuer is not loopback.');
  }
}

function configurationFileOf(read: EnvironmentReader): ConfigurationFile {
  const path = read.optional('PORTCULLIS_CONFIG');
  const result = readConfigurationFile(resolve(path ?? 'portcullis.config.json'), path !== undefined);
  if (result.ok) return result.file;
  for (const problem of result.problems) read.problem(problem);
  return defaultConfiguration();
}

/** The desk's own resources first; what the configuration says about one of them stands. */
function resourcesOf(desk: readonly [Resource, ...Resource[]], file: ConfigurationFile): [Resource, ...Resource[]] {
  const configured = Object.entries(file.resources).map(([url, resource]) => ({ url, ...resource }));
  const asConfigured = (own: Resource): Resource => configured.find(({ url }) => url === own.url) ?? own;
  const [first, ...others] = desk;
  const rest = configured.filter(({ url }) => desk.every((own) => own.url !== url));
  return [asConfigured(first), ...others.map(asConfigured), ...rest];
}

function clientCertificatesOf(read: EnvironmentReader): ClientCertificates | undefined {
  const name = 'PORTCULLIS_CLIENT_CERTIFICATE_AUTHORITIES';
  const proxy = readCertificateProxy(read, certificateProxyProblems);
  const file = read.optional(name);
  if (!proxy) {
    if (file !== undefined) read.problem(`${name} is of no use without PORTCULLIS_CLIENT_CERTIFICATE_HEADER.`);
    return undefined;
  }
  const authorities = file === undefined ? [] : readAuthorities(textOf(file));
  if (!authorities) {
    read.problem(`${name} must name a file with the certificates of authorities, in PEM, and nothing else.`);
  }
  return { ...proxy, authorities: authorities ?? [] };
}

function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

function refuseUnprovableResources(read: EnvironmentReader, { resources, clientCertificates }: Config): void {
  for (const { url, proofOfPossession } of clientCertificates ? [] : resources) {
    if (proofOfPossession !== 'certificate') continue;
    read.problem(
      `Configuration file, resources → ${url}: demands certificates, but PORTCULLIS_CLIENT_CERTIFICATE_HEADER does not say where they come from.`,
    );
  }
}

function refuseOwnUrls(
  read: EnvironmentReader,
  { resources, site }: { resources: readonly Resource[]; site: Site },
): void {
  if (resources.some(({ url }) => isOwnUrl(url, site))) {
    read.problem(
      'No resource can have the URL of this server or of its administration: PORTCULLIS_MCP_URL and the configuration file.',
    );
  }
}

function metricsOf(read: EnvironmentReader): Config['metrics'] {
  const host = read.string('PORTCULLIS_METRICS_HOST', '127.0.0.1');
  if (read.optional('PORTCULLIS_METRICS_PORT') === undefined) return undefined;
  return { host, port: read.port('PORTCULLIS_METRICS_PORT', 0) };
}

function databaseUrlOf(read: EnvironmentReader, name: string): Secret | undefined {
  const secret = read.secret(name);
  if (secret !== undefined && !/^postgres(ql)?:\/\//.test(secret.reveal())) {
    read.problem(`${name} must be a postgresql:// URL. Leave it unset to use SQLite in the data folder.`);
  }
  return secret;
}

function mcpServerCredentials(read: EnvironmentReader): Config['mcpServer'] {
  const secret = read.secret('PORTCULLIS_MCP_CLIENT_SECRET');
  if (secret !== undefined && secret.reveal().length < 32)
    read.problem('PORTCULLIS_MCP_CLIENT_SECRET must have at least 32 characters, drawn at random.');
  return secret && { clientId: read.string('PORTCULLIS_MCP_CLIENT_ID', 'mcp-server'), secret };
}

function firstAdministratorOf(read: EnvironmentReader): Config['firstAdministrator'] {
  const email = read.optional('PORTCULLIS_ADMIN_EMAIL');
  const password = read.secret('PORTCULLIS_ADMIN_PASSWORD');
  if (email !== undefined && password !== undefined) return { email, password };
  if (email !== undefined || password !== undefined) {
    read.problem('PORTCULLIS_ADMIN_EMAIL and PORTCULLIS_ADMIN_PASSWORD must be set together.');
  }
  return undefined;
}
