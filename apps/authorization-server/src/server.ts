import { createServer, type RequestListener } from 'node:http';
import {
  clean,
  createAuditChain,
  createAuditLog,
  createAuthenticationRows,
  createClientApprovalStore,
  createClientDocumentVersionStore,
  createClientRows,
  createClientStore,
  createConsentStore,
  createEngineAdapter,
  createEnvelope,
  createGrantStore,
  createLinkedIdentityStore,
  createOneTimeLinkStore,
  createPresentedRows,
  createRedemptionStore,
  createRegistrationTokenStore,
  createRemoteDocumentStore,
  createRevocationLog,
  createSignInStore,
  createStandingRows,
  createUpstreamConnectionStore,
  createUpstreamFlowStore,
  createUpstreamRevocationStore,
  createUserStore,
  type Database,
  deriveKey,
  isUnavailable,
  preRegisteredClients,
} from '@portcullis/persistence';
import {
  CLI_CLIENT_ID,
  type Clock,
  createDeparture,
  type Departure,
  idleConnectionMs,
  type Logger,
  withReadableTarget,
} from '@portcullis/platform';
import Koa, { type Middleware } from 'koa';
import { errors } from 'oidc-provider';
import { homeRouter } from './account/home.ts';
import { accountRouter } from './account/router.ts';
import { createAccountSessions } from './account/session.ts';
import { signInCallback } from './account/sign-in-callback.ts';
import { adminResource } from './admin/admin-resource.ts';
import { adminApi } from './admin/api.ts';
import { type AuditKeeper, createAuditKeeper, statementSigner } from './audit-trail/keeper.ts';
import { auditReportRouter } from './audit-trail/report-router.ts';
import { type ClientDocuments, createClientDocuments } from './client-metadata/client-documents.ts';
import { createDocumentCache, type DocumentCacheDeps } from './client-metadata/document-cache.ts';
import { pinnedTexts } from './client-metadata/pinned-documents.ts';
import { createRemoteKeys, type RemoteKeys } from './client-metadata/remote-keys.ts';
import type { Config } from './config.ts';
import { createConfirmations } from './confirmations/confirmations.ts';
import { confirmationRouter } from './confirmations/router.ts';
import { createEgress, type EgressNetwork } from './egress/egress.ts';
import { createProviderKeys, PROVIDER_DOCUMENT_SIZE, type ProviderKeys } from './enterprise/provider-keys.ts';
import { noteConnections } from './http/arrivals.ts';
import { assetsRouter } from './http/assets.ts';
import { createAttempts } from './http/attempts.ts';
import { errorBoundary, logUnansweredFaults } from './http/error-boundary.ts';
import { counted, createFailureLimit, type FailureLimit, type FailureLimitOptions } from './http/failure-limit.ts';
import { acceptForms } from './http/forms.ts';
import { healthRouter } from './http/health.ts';
import { pinHost } from './http/host.ts';
import { assertReady } from './http/readiness.ts';
import { registrationCors } from './http/registration-cors.ts';
import { openRequestContext, type RequestLogLevel } from './http/request-context.ts';
import { routeOf } from './http/route.ts';
import { securityHeaders } from './http/security-headers.ts';
import { createFormTokens } from './interactions/form-token.ts';
import { createKnownDevices } from './interactions/known-device.ts';
import { findRequestingClient } from './interactions/requesting-client.ts';
import { interactionRouter } from './interactions/router.ts';
import { createSignInLimits } from './interactions/sign-in-limits.ts';
import { SIGN_IN_STARTS } from './interactions/upstream-sign-in.ts';
import { createCookieKeys } from './keys/cookie-keys.ts';
import { openKeyRing, perKeySet } from './keys/key-ring.ts';
import { createLogos, LOGO_FETCH_LIMIT, LOGO_LIMITS, LOGO_SIZE_BYTES, type Logos } from './logos/logos.ts';
import { logoRouter } from './logos/router.ts';
import { addGauges } from './metrics/gauges.ts';
import { createMetrics, type Metrics } from './metrics.ts';
import { createPasswordVerifier } from './passwords.ts';
import { limitAuthorizations } from './provider/authorization-limits.ts';
import { CLIENT_AUTHENTICATION_LIMIT } from './provider/client-authentication.ts';
import type { IsPreRegistered } from './provider/error-answer.ts';
import { createEngine } from './provider/provider.ts';
import { DOCUMENT_FETCH_LIMIT } from './provider/remote-metadata.ts';
import { clientMemory, rowsAhead } from './provider/request-reads.ts';
import { shapeRequest } from './provider/request-shape.ts';
import { storedPermissions } from './provider/stored-permissions.ts';
import { createPersonRefusals, createTokenRefusals, sumUpRefusals } from './provider/token-refusals.ts';
import { createFamilyMarks } from './redemption/family-mark.ts';
import { createRegistrationQuota } from './registration/quota.ts';
import { registrationRouter } from './registration/router.ts';
import { createResourceCatalogue, unfittingResources } from './resource-catalogue.ts';
import { createIntrospection } from './revocation/introspection.ts';
import { createRevocationFeed } from './revocation/revocation-feed.ts';
import { revocationRouter } from './revocation/router.ts';
import { createTokenRevocation } from './revocation/token-revocation.ts';
import { prepareFirstAdministrator } from './setup/first-administrator.ts';
import { prepareMcpServerClient } from './setup/mcp-server-client.ts';
import { setupRouter } from './setup/router.ts';
import { upstreamCallback } from './upstream/callback.ts';
import { createConnectors, createSignInProviders } from './upstream/connectors.ts';
import { endUnusedConnection, endUnusedConnections, giveBackTokens } from './upstream/ending.ts';

export { type Config, readConfig } from './config.ts';
export { createEgress, type Egress, type EgressNetwork, type EgressResult } from './egress/egress.ts';

/** What the process gives the server. */
export type ServerDeps = {
  database: Database;
  masterKey: Buffer;
  /** What the master key was before, while something may still be encrypted or signed under it. */
  previousMasterKey?: Buffer;
  /** Opens the database as the owner of its tables, where that is another role. */
  openAsOwner?: () => Promise<Database>;
  clock: Clock;
  log: Logger;
  /** How a request is logged; `info` by default. */
  requestLogLevel?: RequestLogLevel;
  /** How the server reaches others, where that is not the internet. */
  network?: Partial<EgressNetwork>;
};

/** An authorization server that is ready for requests. */
export type AuthorizationServer = {
  listener: RequestListener;
  /** The link for the first administrator, while there is none; write it to the operator and nowhere else. */
  setupLink: string | undefined;
  /** Removes what has expired; returns how many rows went. */
  clean(): Promise<number>;
  /** Follows the signing keys, and makes the next one when it is due. Every replica does so once a second. */
  keepKeys(): Promise<void>;
  /** Forgets the answers to refreshes whose grace is over; returns how many. */
  forgetAnswers(): Promise<number>;
  /** What looks after the audit trail behind the requests. */
  audit: AuditKeeper;
  /** Revokes at the upstreams what no grant may use any more, and what was received and not kept; returns how many. */
  endUnusedConnections(): Promise<number>;
  metrics: Metrics;
  /** How the process goes once it was told to. */
  departure: Departure;
  /** Ends what would not end by itself: streams that are open. */
  close(): void;
};

/** The only wiring: dependencies, then middleware and routers in the order a request meets them. */
export async function createAuthorizationServer(config: Config, deps: ServerDeps): Promise<AuthorizationServer> {
  const { masterKey, previousMasterKey, clock, log } = deps;
  const metrics = createMetrics();
  const database = { ...deps.database, noteRecorded: metrics.recorded };
  const masterKeys = [masterKey, ...(previousMasterKey ? [previousMasterKey] : [])] as const;
  const { site, roles, registration, accessTokenTtlSeconds, refreshTokens, refreshGraceSeconds } = config;
  const fixedResources = [...config.resources, adminResource(site)] as const;
  const catalogue = createResourceCatalogue(fixedResources, database, config.upstreams);
  for (const { url, problems } of await unfittingResources(fixedResources, database, config.upstreams))
    log.warn(
      { resource: url, problems },
      'a resource that was added works without its upstream: the configuration does not fit it any more',
    );
  const envelope = createEnvelope(...masterKeys);
  const users = createUserStore(database);
  const grants = createGrantStore(database);
  const signIns = createSignInStore(database);
  const clientRows = createClientRows(database, clientMemory);
  const clients = createClientStore(database, clientRows);
  const consents = createConsentStore(database);
  const links = createOneTimeLinkStore(database);
  const audit = createAuditLog(database);
  const chain = createAuditChain(database);
  const egress = createEgress({ ports: config.clientMetadataDocuments.ports, network: deps.network });
  const cacheDeps = { store: createRemoteDocumentStore(database), egress, clock, log };
  const remoteKeys = createRemoteKeys(createDocumentCache(cacheDeps, KEY_LIMITS));
  const providerKeys = identityProviderKeys(config, deps);
  const documents = clientDocuments(config, deps, { cacheDeps, remoteKeys });
  const limit = (of: FailureLimitOptions) => counted(createFailureLimit(database, of), () => metrics.limitHit(of.name));
  const documentFetchLimit = limit(DOCUMENT_FETCH_LIMIT);
  const logos = clientLogos(config, deps, { networkLimit: documentFetchLimit, overallLimit: limit(LOGO_FETCH_LIMIT) });
  const formTokens = createFormTokens(...derivedKeys(masterKeys, 'form-tokens'));
  const keyRing = await openKeyRing({ database, envelope, policy: config.signingKeys, clock });
  const permissionsOf = storedPermissions(clients, clock);
  const redemptions = createRedemptionStore(database);
  const isAway = (cause: unknown) => isUnavailable(database, cause);
  const revocations = createRevocationLog(database);
  const tokens = { issuer: site.issuer, keys: () => keyRing.current().keys };
  const clientAuthentications = createAttempts(limit(CLIENT_AUTHENTICATION_LIMIT));
  const approvals = createClientApprovalStore(database);
  const connections = createUpstreamConnectionStore(database, envelope);
  const upstreamRevocations = createUpstreamRevocationStore(database, envelope);
  const flows = createUpstreamFlowStore(database, envelope);
  const connectors = createConnectors(config, clock);
  const signInProviders = createSignInProviders(config, clock);
  const identities = createLinkedIdentityStore(database);
  const countRefresh = metrics.upstreamRefresh;
  const ending = { connections, upstreamRevocations, connectors, audit, clock, log };
  const standing = { clients, approvals, readStanding: createStandingRows(database), permissionsOf };
  const personalAccessTokens = { database, issuer: site.issuer, catalogue, roles };
  await prepareMcpServerClient(config.mcpServer, { database, resources: config.deskResources, now: clock() });

  const refusals = createTokenRefusals(database, audit);
  const personRefusals = createPersonRefusals(database, audit);

  const engineOptions = {
    site,
    database,
    catalogue,
    roles,
    accessTokenTtlSeconds,
    refreshTokens,
    refreshGraceSeconds,
    registers: registration.policy !== 'off',
    clients,
    permissionsOf,
    store: createEngineAdapter(database, { clientRows, rowsAhead, clock, envelope, errors }),
    users,
    grants,
    signIns,
    consents,
    redemptions,
    presenting: new Map(),
    familyMarks: createFamilyMarks(createFormTokens(...derivedKeys(masterKeys, 'refresh-families'))),
    audit,
    refusals,
    metrics,
    isUnavailable: isAway,
    clientAuthentications,
    readAuthentication: createAuthenticationRows(database),
    readPresented: createPresentedRows(database),
    accessTokens: {
      introspect: createIntrospection({ tokens, standing, personalAccessTokens, clock }),
      revokeAccessToken: createTokenRevocation({ tokens, database, clock }),
    },
    connections,
    tokenExchange:
      connectors.size > 0
        ? {
            ...{ clients, connections, upstreamRevocations, connectors, countRefresh },
            ...{ catalogue, tokens, standing, audit, clock },
          }
        : undefined,
    documents,
    isPreRegistered: trustedClients(database),
    documentFetchLimit,
    remoteKeys,
    egress,
    dpop: { ...config.dpop, nonceSecret: deriveKey(masterKey, 'dpop-nonces') },
    clientCertificates: config.clientCertificates,
    identityProviders: config.identityProviders,
    providerKeys,
    jwksMaxAgeSeconds: config.signingKeys.jwksMaxAgeSeconds,
    cookieKeys: createCookieKeys(masterKeys, clock),
    clock,
    log,
  };
  // The engine reads its keys once: each key set gets an engine of its own, and requests in flight stay with theirs.
  const engine = perKeySet(keyRing, (keySet) => {
    const made = createEngine({ ...engineOptions, keySet });
    return { provider: made, listener: made.callback() };
  });
  // Pages and registration sign no tokens: any engine will do for them.
  const { provider } = engine();
  const linkDeps = { site, links, clock };
  const passwordCheck = {
    users,
    audit,
    metrics: metrics.tokens,
    refusals,
    clock,
    verifyPassword: await createPasswordVerifier(),
    limits: createSignInLimits(database, metrics.limitHit),
    signInStarts: limit(SIGN_IN_STARTS),
    logins: metrics.logins,
    devices: createKnownDevices(site, createFormTokens(...derivedKeys(masterKeys, 'known-devices'))),
  };
  const interactions = interactionRouter({
    ...passwordCheck,
    personRefusals,
    acceptForms: acceptForms(site),
    provider,
    documents,
    logos,
    site,
    catalogue,
    roles,
    formTokens,
    permissionsOf,
    consents,
    grants,
    connections,
    upstreamRevocations,
    connectors,
    giveBackTokens: (waiting) => giveBackTokens(waiting, ending),
    countRefresh,
    flows,
    signInProviders,
    database,
  });
  const confirmations = createConfirmations({
    ...{ database, grants, envelope, clock },
    handles: [
      createFormTokens(deriveKey(masterKey, 'confirmations')),
      ...(previousMasterKey ? [createFormTokens(deriveKey(previousMasterKey, 'confirmations'))] : []),
    ],
  });
  const sessions = createAccountSessions({ provider, site, signIns, clock });
  const account = accountRouter({
    ...passwordCheck,
    confirmations,
    acceptForms: acceptForms(site),
    sessions,
    flows,
    signInProviders,
    identities,
    clientOf: ({ clientId, documentVersion }) =>
      findRequestingClient(
        { client_id: clientId, client_document: documentVersion },
        { provider, site, documents, permissionsOf },
      ),
    database,
    site,
    catalogue,
    roles,
    formTokens,
    grants,
    signIns,
    envelope,
    upstreamConnections: connections,
    connectors,
    endUnusedConnection: (id) => endUnusedConnection(id, ending),
  });
  const setup = setupRouter({
    ...linkDeps,
    acceptForms: acceptForms(site),
    database,
    users,
    formTokens,
    audit,
    mcpUrl: catalogue.standard.url,
  });

  const registrations = registrationRouter({
    provider,
    site,
    catalogue,
    policy: registration,
    fetchPorts: config.clientMetadataDocuments.ports,
    clients,
    tokens: createRegistrationTokenStore(database),
    quota: createRegistrationQuota(database, registration.quota, metrics.limitHit),
    audit,
    countRegistration: metrics.registration,
    clock,
    log,
  });
  addGauges(metrics, { database, chain, clock });
  const feed = createRevocationFeed({ log: revocations, signal: database.revocationSignal, logger: log });
  const resourceServers = { clients, clock, audit, authentications: clientAuthentications };
  const events = revocationRouter({ ...resourceServers, feed, log: revocations });
  const { signingKeys } = config;
  const keyDeps = { keyRing, envelope, signingKeys };
  const keeping = { ...{ database, keyRing, metrics, clock, log }, issuer: site.issuer };
  const admin = adminApi({
    ...keyDeps,
    auditTrail: { log: audit, chain, sign: statementSigner(keeping) },
    site,
    database,
    fixedResources,
    roles,
    signInProviders,
    identityProviders: config.identityProviders,
    upstreams: config.upstreams,
    clientCertificates: config.clientCertificates,
    permissionsOf,
    refusals: personRefusals,
    audit,
    clock,
    log,
  });

  const departure = createDeparture(config.drainSeconds);
  const app = new Koa();
  app.proxy = config.trustedProxies > 0;
  app.maxIpsCount = config.trustedProxies;
  app.use((ctx, next) => metrics.watchRequest(ctx, () => routeOf(ctx), next));
  app.use(openRequestContext({ log, clock, basePath: site.basePath, requestLogLevel: deps.requestLogLevel }));
  app.use(securityHeaders(site));
  app.use(errorBoundary({ log, isUnavailable: isAway }));
  app.use(healthRouter(() => assertReady({ database, keyRing, clock }), departure).routes());
  app.use(pinHost(site));
  app.use(admin.metadata);
  app.use(shapeRequest(site, catalogue));
  app.use(limitAuthorizations(database, metrics.limitHit));
  const engineAnswers = handOverTo((request, response) => engine().listener(request, response));
  app.use((ctx, next) => (BUSY_ENGINE_PATHS.has(ctx.path) ? engineAnswers(ctx, next) : next()));
  app.use(assetsRouter().routes());
  app.use(logoRouter(logos).routes());
  app.use(registrationCors().routes());
  app.use(registrations.routes());
  app.use(interactions.routes());
  app.use(upstreamCallback({ flows, connectors, site, clock }).routes());
  app.use(signInCallback({ flows, signInProviders, sessions, formTokens, database, site, ...passwordCheck }).routes());
  app.use(homeRouter(site).routes());
  app.use(account.routes());
  app.use(setup.routes());
  app.use(admin.router.routes());
  app.use(events.router.routes());
  app.use(confirmationRouter({ ...resourceServers, confirmations, site }).routes());
  app.use(auditReportRouter({ ...resourceServers, database }).routes());
  app.use(engineAnswers);
  logUnansweredFaults(app, log);

  return {
    listener: app.callback(),
    setupLink: await prepareFirstAdministrator(config.firstAdministrator, { ...linkDeps, users }),
    async clean() {
      const now = clock();
      // What was counted is written down before the counters go.
      await sumUpRefusals(database, now);
      return clean(database, now);
    },
    forgetAnswers: () => redemptions.forgetAnswers(clock()),
    keepKeys: () => keyRing.keep(),
    audit: createAuditKeeper({
      ...keeping,
      ...{ dataFolder: config.dataFolder, policy: config.audit, openAsOwner: deps.openAsOwner },
    }),
    endUnusedConnections: () => endUnusedConnections(ending),
    metrics,
    departure,
    close() {
      events.close();
      feed.close();
    },
  };
}

/** Where no route of ours is, and requests come too often to pass by each of them. */
const BUSY_ENGINE_PATHS = new Set(['/token', '/introspect']);

const DAY_SECONDS = 24 * 3600;

/** Documents of clients are used for a week while their origin is away; keys, with which clients sign, for a day. */
const DOCUMENT_LIMITS = { maxFreshSeconds: DAY_SECONDS, maxStaleSeconds: 7 * DAY_SECONDS };
const KEY_LIMITS = { maxFreshSeconds: 600, maxStaleSeconds: DAY_SECONDS };

/** Clients that name themselves by the URL of a metadata document, unless that is switched off. */
function clientDocuments(
  { clientMetadataDocuments: { enabled, pinned, trust }, refreshTokens }: Config,
  { database, clock, log }: ServerDeps,
  { cacheDeps, remoteKeys }: { cacheDeps: DocumentCacheDeps; remoteKeys: RemoteKeys },
): ClientDocuments | undefined {
  if (!enabled) return undefined;
  return createClientDocuments({
    documents: createDocumentCache(cacheDeps, DOCUMENT_LIMITS),
    keys: remoteKeys,
    versions: createClientDocumentVersionStore(database),
    approvals: createClientApprovalStore(database),
    pinned: pinnedTexts(pinned, { now: clock(), log }),
    trust,
    clock,
    log,
    grantTtlSeconds: refreshTokens.absoluteSeconds,
  });
}

/** Keys and metadata of identity providers come through a door that lets more through than a client's. */
function identityProviderKeys(
  { clientMetadataDocuments: { ports } }: Config,
  { database, clock, log, network }: ServerDeps,
): ProviderKeys {
  const egress = createEgress({ ports, network, maxSizeBytes: PROVIDER_DOCUMENT_SIZE.bytes });
  const store = createRemoteDocumentStore(database);
  return createProviderKeys(createDocumentCache({ store, egress, clock, log }, KEY_LIMITS));
}

/** Logos are fetched through a door of their own, which lets more through and does not keep documents waiting. */
function clientLogos(
  { clientMetadataDocuments: { ports } }: Config,
  { database, clock, log, network }: ServerDeps,
  limits: { networkLimit: FailureLimit; overallLimit: FailureLimit },
): Logos {
  const egress = createEgress({ ports, network, maxSizeBytes: LOGO_SIZE_BYTES, maxConcurrent: 5, accept: 'image/*' });
  const store = createRemoteDocumentStore(database);
  return createLogos({
    store,
    cache: createDocumentCache({ store, egress, clock, log }, LOGO_LIMITS),
    ...limits,
    log,
  });
}

/** Keys for one purpose, the current one first. */
function derivedKeys([current, ...previous]: readonly [Buffer, ...Buffer[]], purpose: string): [Buffer, ...Buffer[]] {
  return [deriveKey(current, purpose), ...previous.map((key) => deriveKey(key, purpose))];
}

/** The last stop: the engine answers on the raw request, in a Koa context of its own. */
function handOverTo(engine: RequestListener): Middleware {
  return async (ctx) => {
    ctx.respond = false;
    await engine(ctx.req, ctx.res);
  };
}

/** The clients that somebody who runs this server put there: its own command line, and those registered by hand. */
function trustedClients(database: Database): IsPreRegistered {
  const isManual = preRegisteredClients(database);
  return async (clientId) => clientId === CLI_CLIENT_ID || (await isManual(clientId));
}

/** An HTTP server with the time limits of a server on the open internet, or behind so many proxies. */
export function createHttpServer(listener: RequestListener, trustedProxies = 0) {
  const keepAliveTimeout = idleConnectionMs(trustedProxies);
  const server = createServer(
    { requestTimeout: 30_000, headersTimeout: 10_000, keepAliveTimeout, maxHeaderSize: 32_768 },
    withReadableTarget(listener),
  );
  noteConnections(server);
  return server;
}
