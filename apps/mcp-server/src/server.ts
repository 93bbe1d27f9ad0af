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
  withReadableTarget,
} from '@portcullis/platform';
import { metricsListener, tracedFetch } from '@portcullis/platform/watching';
import Koa, { type Context } from 'koa';
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
import { healthRoutes } from './http/health-routes.ts';
import { type McpRouteParts, mcpRoutes } from './http/mcp-routes.ts';
import { countedAudit } from './metrics/counted-audit.ts';
import { addGauges } from './metrics/gauges.ts';
import { createMetrics, type Metrics } from './metrics/metrics.ts';
import { type Part, partsOf } from './parts.ts';
import { counted, createAdmissions } from './policy/admission.ts';
import { createCallLimits } from './policy/call-limits.ts';
import { type Counters, memoryCounters, sharedCounters } from './policy/counters.ts';
import { assertPolicies } from './policy/declaration.ts';
import { callSlots, subscriptionSlots } from './policy/slots.ts';
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
  const fetch = tracedFetch(globalThis.fetch, { origins: [new URL(config.issuer).origin] });
  const given = deps.tools ?? deskTools(config, fetch);
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
    const metrics = createMetrics(new Set(tools.map(({ name }) => name)));
    const admissions = counted(
      createAdmissions(createCallLimits(limits, counters), {
        calls: callSlots(limits),
        subscriptions: subscriptionSlots(limits),
      }),
      metrics.limitHit,
    );
    const serve = (part: Part): ServedPart => {
      const audit = countedAudit(openAudit({ ...config, ...part }, { ...deps, fetch }), metrics);
      opened.defer(() => audit.close());
      const onRefusal: GuardDeps['onRefusal'] = (refusal, request) =>
        audit.turnedAway(refusal, request && origins.get(request));
      const guard = deskGuard({ ...config, ...part }, { ...deps, fetch, proofs: store.proofs, onRefusal });
      opened.defer(() => guard.close());
      const confirmation = deskConfirmation({ ...config, ...part }, { counters, fetch });
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
      withReadableTarget(
        deskApp(config, {
          ...{ served, origins, store, logger, metrics, departure },
          clientCertificate: certificateSource(config),
        }).callback(),
      ),
    );
    departure.watch(server);
    const listening = await listen(server, { host: config.host, port: config.port, variable: 'PORTCULLIS_MCP_PORT' });
    opened.defer(() => listening.close());
    addGauges(metrics, { parts: served, store });
    const listeningForMetrics = await listenForMetrics(config, metrics);
    opened.defer(() => listeningForMetrics?.close());
    if (served[0].guard.metrics().revocation.mode === 'until-expiry') logger.info(WITHOUT_SECRET);
    if (config.databaseUrl && !config.analyticsDatabaseUrl) logger.info(NO_ANALYTICS);
    const running = opened.move();
    return { port: listening.port, leave: () => departure.announce(), close: () => running.disposeAsync() };
  } catch (cause) {
    await opened.disposeAsync();
    throw cause;
  }
}

async function listenForMetrics({ metrics: at }: Config, metrics: Metrics): Promise<Listening | undefined> {
  if (!at) return undefined;
  metrics.addProcess();
  const server = createServer({ requestTimeout: RECEIVE_TIMEOUT_MS }, metricsListener(metrics));
  return listen(server, { ...at, variable: 'PORTCULLIS_MCP_METRICS_PORT' });
}

/** The desk's own tools, and one that works with a third-party service where there is one. */
function deskTools({ upstream }: Config, fetch: typeof globalThis.fetch): readonly Tool[] {
  return upstream ? [...DESK_TOOLS, listMyRepositories(upstreamService(upstream, fetch))] : DESK_TOOLS;
}

const PART_NAMES = { whole: 'Support desk', read: 'Support desk, to read', act: 'Support desk, to act' } as const;

/** What answers for one part of the desk. */
type ServedPart = Pick<McpRouteParts, 'guard' | 'transport'> & { audit: ReturnType<typeof openAudit> };

type GuardDeps = McpServerDeps & Pick<DeskStore, 'proofs'> & Required<Pick<GuardOptions, 'onRefusal' | 'fetch'>>;

function deskGuard(config: Config & Part, { logger, now, proofs, onRefusal, fetch }: GuardDeps): Guard {
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
    fetch,
  });
}

/** Clients' certificates come from the proxy that terminates TLS, where there is one; nothing here does. */
function certificateSource({ certificateProxy }: Config): CertificateSource {
  return certificateProxy ? certificateFromProxy(certificateProxy) : certificateOfConnection;
}

/** Users are asked on the authorization server's page where this server can prove to it who it is. */
function deskConfirmation(
  config: Config,
  { counters, fetch }: { counters: Counters; fetch: typeof globalThis.fetch },
): Confirmation {
  const { issuer, clientId, clientSecret, databaseUrl, confirmation: policy } = config;
  const options = { name: 'confirmation', points: 1, windowSeconds: USED_SECONDS, whenAway: 'fail' } as const;
  return createConfirmation({
    policy,
    form: clientForm(stateKey({ databaseUrl, clientSecret }), counters.counter(options)),
    page: clientSecret && confirmationPage({ issuer, clientId, clientSecret: clientSecret.reveal(), fetch }),
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
  metrics: Metrics;
  served: readonly [ServedPart, ...ServedPart[]];
  store: DeskStore;
  logger: Logger;
  departure: Departure;
};

function deskApp(
  { trustedProxies }: Config,
  { served, store, logger, metrics, departure, ...shared }: AppParts,
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
    // Without word of revocations for too long every call is answered 503.
    { name: 'revocations', passes: async () => served.every(({ guard }) => !guard.metrics().revocation.closed) },
  ];
  healthRoutes(router, checks, logger);
  // The first answers for both where a document has one address: the metadata at the root.
  for (const part of served) mcpRoutes(router, { ...part, ...shared });
  app.use((context, next) => metrics.watchRequest(context, () => routeOf(context), next));
  app.use(correlationId).use(errorBoundary(logger)).use(router.routes());
  return app;
}

/** The pattern of the route that answered a request; undefined where there is none. */
function routeOf({ _matchedRoute: matched }: Context): string | undefined {
  return typeof matched === 'string' ? matched : undefined;
}
