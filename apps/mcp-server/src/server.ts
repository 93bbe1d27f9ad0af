import { createServer } from 'node:http';
import Router from '@koa/router';
import { createGuard, type Guard, type GuardOptions, type RevocationFeedChange } from '@portcullis/guard';
import { type CertificateSource, certificateFromProxy, certificateOfConnection } from '@portcullis/guard/node';
import {
  type Clock,
  createDeparture,
  type Departure,
  idleConnectionMs,
  type Listening,
  type Logger,
  listen,
  metricsListener,
} from '@portcullis/platform';
import Koa from 'koa';
import { DESK_ROLE_PERMISSIONS, permittedScopes } from './access/roles.ts';
import { toolDeclarations } from './access/tool-declarations.ts';
import { openAnalytics } from './analytics/open-analytics.ts';
import { openAudit } from './audit/open-audit.ts';
import type { RequestOrigin } from './audit/refusal-window.ts';
import type { Config } from './config.ts';
import { clientForm, stateKey, USED_SECONDS } from './confirmation/client-form.ts';
import { type Confirmation, createConfirmation } from './confirmation/confirmation.ts';
import { confirmationPage } from './confirmation/page.ts';
import { correlationId, type RequestState } from './http/correlation-id.ts';
import { errorBoundary } from './http/error-boundary.ts';
import { guardMetrics } from './http/guard-metrics.ts';
import { healthRoutes } from './http/health-routes.ts';
import { type McpRouteParts, mcpRoutes } from './http/mcp-routes.ts';
import { type Part, partsOf } from './parts.ts';
import { createAdmissions } from './policy/admission.ts';
import { createCallLimits } from './policy/call-limits.ts';
import { type Counters, memoryCounters, sharedCounters } from './policy/counters.ts';
import { assertPolicies } from './policy/declaration.ts';
import { createSlots } from './policy/slots.ts';
import type { DeskStore } from './store/desk-store.ts';
import { openStore } from './store/open-store.ts';
import { DESK_TOOLS } from './tools/desk-tools.ts';
import { listMyRepositories } from './tools/list-my-repositories.ts';
import { queryAnalytics } from './tools/query-analytics.ts';
import type { Tool } from './tools/tool.ts';
import { mcpTransport } from './transport.ts';
import { upstreamService } from './upstream/service.ts';

/** What the server works with besides its configuration. */
export type McpServerDeps = {
  logger: Logger;
  now: Clock;
  /** The support desk's own tools by default. */
  tools?: readonly Tool[];
  /** How much of the audit trail may wait while it cannot be sent; 64 MiB by default. */
  spoolBytes?: number;
};

/** A server that takes requests. */
export type McpServer = { port: number; leave(): Promise<void>; close(): Promise<void> };

const RECEIVE_TIMEOUT_MS = 30_000;
const WITHOUT_SECRET =
  'revocation: until expiry; calls: in this log alone. With PORTCULLIS_MCP_CLIENT_SECRET revocation is heard of at once, and calls are in the audit trail';
const NO_ANALYTICS = 'query_analytics is off: with PORTCULLIS_MCP_ANALYTICS_DATABASE_URL it has a role to run SQL as';

/**
 * Opens the database and listens. The authorization server need not be up: its keys are fetched when they are first needed.
 * @throws {StartupError} when the start cannot succeed; then nothing is left open.
 */
export async function createMcpServer(config: Config, deps: McpServerDeps): Promise<McpServer> {
  const { logger, now } = deps;
  const given = deps.tools ?? deskTools(config);
  const { limits } = config;
  // Before anything is opened: a declaration that protects nothing is no reason to touch the data.
  assertPolicies(given, limits);
  toolDeclarations(given);
  const opened = new AsyncDisposableStack();
  try {
    const store = await openStore(config, { logger, now });
    opened.defer(() => store.close());
    const analytics = await openAnalytics(config, logger);
    opened.defer(() => analytics?.close());
    const tools = analytics && deps.tools === undefined ? [...given, queryAnalytics(analytics)] : given;
    const counters = config.databaseUrl ? sharedCounters(config.databaseUrl, logger) : memoryCounters();
    opened.defer(() => counters.close());
    const origins = new WeakMap<Request, RequestOrigin>();
    const admissions = createAdmissions(createCallLimits(limits, counters), createSlots(limits));
    const serve = (part: Part): ServedPart => {
      const audit = openAudit({ ...config, ...part }, deps);
      opened.defer(() => audit.close());
      const onRefusal: GuardDeps['onRefusal'] = (refusal, request) =>
        audit.turnedAway(refusal, request && origins.get(request));
      const guard = deskGuard({ ...config, ...part }, { ...deps, proofs: store.proofs, onRefusal });
      opened.defer(() => guard.close());
      const confirmation = deskConfirmation({ ...config, ...part }, counters);
      const shared = { store, limits, admissions, logger, audit, now };
      const transport = mcpTransport({ tools: part.tools, confirmation, ...shared });
      opened.defer(() => transport.close());
      return { guard, transport, audit };
    };
    const [first, ...others] = partsOf(config, tools);
    const served: readonly [ServedPart, ...ServedPart[]] = [serve(first), ...others.map(serve)];
    const departure = createDeparture(config.drainSeconds);
    const server = createServer(
      { requestTimeout: RECEIVE_TIMEOUT_MS, keepAliveTimeout: idleConnectionMs(config.trustedProxies) },
      deskApp(config, {
        ...{ served, origins, store, logger, departure },
        clientCertificate: certificateSource(config),
      }).callback(),
    );
    departure.watch(server);
    const listening = await listen(server, { host: config.host, port: config.port, variable: 'PORTCULLIS_MCP_PORT' });
    opened.defer(() => listening.close());
    // Where the desk is split, the counts are those of the part that reads.
    const metrics = await listenForMetrics(config, served[0].guard);
    opened.defer(() => metrics?.close());
    if (served[0].guard.metrics().revocation.mode === 'until-expiry') logger.info(WITHOUT_SECRET);
    if (config.databaseUrl && !config.analyticsDatabaseUrl) logger.info(NO_ANALYTICS);
    const running = opened.move();
    return { port: listening.port, leave: () => departure.announce(), close: () => running.disposeAsync() };
  } catch (cause) {
    await opened.disposeAsync();
    throw cause;
  }
}

async function listenForMetrics({ metrics: at }: Config, guard: Guard): Promise<Listening | undefined> {
  if (!at) return undefined;
  const server = createServer({ requestTimeout: RECEIVE_TIMEOUT_MS }, metricsListener(guardMetrics(guard)));
  return listen(server, { ...at, variable: 'PORTCULLIS_MCP_METRICS_PORT' });
}

/** The desk's own tools, and one that works with a third-party service where there is one. */
function deskTools({ upstream }: Config): readonly Tool[] {
  return upstream ? [...DESK_TOOLS, listMyRepositories(upstreamService(upstream))] : DESK_TOOLS;
}

const PART_NAMES = { whole: 'Support desk', read: 'Support desk, to read', act: 'Support desk, to act' } as const;

/** What answers for one part of the desk. */
type ServedPart = Pick<McpRouteParts, 'guard' | 'transport' | 'audit'>;

type GuardDeps = McpServerDeps & Pick<DeskStore, 'proofs'> & Required<Pick<GuardOptions, 'onRefusal'>>;

function deskGuard(config: Config & Part, { logger, now, proofs, onRefusal }: GuardDeps): Guard {
  return createGuard({
    issuer: config.issuer,
    resource: config.url,
    resourceName: PART_NAMES[config.name],
    scopes: { baseline: config.name === 'act' ? ['desk:write'] : ['desk:read'] },
    declarations: { tools: toolDeclarations(config.tools) },
    permittedScopes: ({ roles }) => permittedScopes(roles, DESK_ROLE_PERMISSIONS),
    allowedOrigins: config.allowedOrigins,
    mirrorIssuerMetadata: true,
    ...(config.proofOfPossession && { proofOfPossession: config.proofOfPossession }),
    ...(proofs && { dpop: { replays: proofs } }),
    ...listening(config),
    onRevocationFeed: revocationLog(logger),
    now,
    onRefusal,
  });
}

/** Clients' certificates come from the proxy that terminates TLS, where there is one; nothing here does. */
function certificateSource({ certificateProxy }: Config): CertificateSource {
  return certificateProxy ? certificateFromProxy(certificateProxy) : certificateOfConnection;
}

/** Users are asked on the authorization server's page where this server can prove to it who it is. */
function deskConfirmation(config: Config, counters: Counters): Confirmation {
  const { issuer, clientId, clientSecret, databaseUrl, confirmation: policy } = config;
  const options = { name: 'confirmation', points: 1, windowSeconds: USED_SECONDS, whenAway: 'fail' } as const;
  return createConfirmation({
    policy,
    form: clientForm(stateKey({ databaseUrl, clientSecret }), counters.counter(options)),
    page: clientSecret && confirmationPage({ issuer, clientId, clientSecret: clientSecret.reveal() }),
  });
}

function listening(config: Config): Pick<GuardOptions, 'revocation'> {
  const { clientId, clientSecret, whenFeedIsDown, failClosedAfterSeconds } = config;
  if (clientSecret === undefined) return {};
  return { revocation: { clientId, clientSecret: clientSecret.reveal(), whenFeedIsDown, failClosedAfterSeconds } };
}

/** Both servers start at once, so that the first connection may well be refused: that alone worries nobody. */
function revocationLog(logger: Logger): (change: RevocationFeedChange) => void {
  let heard = false;
  return (change) => {
    switch (change.state) {
      case 'until-expiry':
        // Said once the server listens: a start that fails says what is wrong and nothing else.
        break;
      case 'fresh':
        heard = true;
        logger.info('revocation: heard of at once');
        break;
      case 'interrupted':
        if (!heard && change.cause instanceof TypeError)
          logger.info('revocation: waiting for the authorization server');
        else logger.warn({ err: change.cause }, 'revocation: the feed is interrupted; trying again');
        break;
    }
  };
}

type AppParts = Omit<McpRouteParts, keyof ServedPart> & {
  served: readonly [ServedPart, ...ServedPart[]];
  store: DeskStore;
  logger: Logger;
  departure: Departure;
};

function deskApp(
  { trustedProxies }: Config,
  { served, store, logger, departure, ...shared }: AppParts,
): Koa<RequestState> {
  const app = new Koa<RequestState>();
  app.proxy = trustedProxies > 0;
  app.maxIpsCount = trustedProxies;
  // Koa writes to standard error by itself; what reaches it is a broken connection at most.
  app.on('error', (cause) => logger.debug({ err: cause }, 'an answer could not be sent'));
  const router = new Router<RequestState>({ strict: true, sensitive: true });
  const database = async () => {
    await store.ping();
    return true;
  };
  const checks = [
    { name: 'database', passes: database },
    { name: 'keys', passes: () => served[0].guard.keysAvailable() },
    { name: 'not stopping', passes: async () => !departure.isNear() },
  ];
  healthRoutes(router, checks, logger);
  // The first answers for both where a document has one address: the metadata at the root.
  for (const part of served) mcpRoutes(router, { ...part, ...shared });
  app.use(correlationId).use(errorBoundary(logger)).use(router.routes());
  return app;
}
