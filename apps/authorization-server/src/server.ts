import { createServer, type RequestListener } from 'node:http';
import {
  clean,
  createAuditLog,
  createClientApprovalStore,
  createClientDocumentVersionStore,
  createClientStore,
  createConsentStore,
  createEngineAdapter,
  createEnvelope,
  createGrantStore,
  createOneTimeLinkStore,
  createRegistrationTokenStore,
  createRemoteDocumentStore,
  createRevocationLog,
  createSigningKeyStore,
  createUserStore,
  type Database,
  deriveKey,
  preRegisteredClients,
} from '@portcullis/persistence';
import { CLI_CLIENT_ID, type Clock, type Logger } from '@portcullis/platform';
import Koa, { type Middleware } from 'koa';
import { errors } from 'oidc-provider';
import { adminResource } from './admin/admin-resource.ts';
import { adminApi } from './admin/api.ts';
import { type ClientDocuments, createClientDocuments } from './client-metadata/client-documents.ts';
import { createDocumentCache } from './client-metadata/document-cache.ts';
import { pinnedTexts } from './client-metadata/pinned-documents.ts';
import type { Config } from './config.ts';
import { createEgress, type Egress, type EgressNetwork } from './egress/egress.ts';
import { assetsRouter } from './http/assets.ts';
import { errorBoundary, logUnansweredFaults } from './http/error-boundary.ts';
import { createFailureLimit } from './http/failure-limit.ts';
import { acceptForms } from './http/forms.ts';
import { healthRouter } from './http/health.ts';
import { pinHost } from './http/host.ts';
import { registrationCors } from './http/registration-cors.ts';
import { openRequestContext } from './http/request-context.ts';
import { securityHeaders } from './http/security-headers.ts';
import { createFormTokens } from './interactions/form-token.ts';
import { createKnownDevices } from './interactions/known-device.ts';
import { interactionRouter } from './interactions/router.ts';
import { createSignInLimits } from './interactions/sign-in-limits.ts';
import { createPasswordVerifier } from './passwords.ts';
import { CLIENT_AUTHENTICATION_LIMIT } from './provider/client-authentication.ts';
import { DOCUMENT_FETCH_LIMIT } from './provider/document-clients.ts';
import type { IsPreRegistered } from './provider/error-answer.ts';
import { createEngine, GRANT_TTL_SECONDS } from './provider/provider.ts';
import { shapeRequest } from './provider/request-shape.ts';
import { loadSigningKeys } from './provider/signing-keys.ts';
import { storedPermissions } from './provider/stored-permissions.ts';
import { createRegistrationQuota } from './registration/quota.ts';
import { registrationRouter } from './registration/router.ts';
import { createResourceCatalogue } from './resource-catalogue.ts';
import { createIntrospection } from './revocation/introspection.ts';
import { createRevocationFeed } from './revocation/revocation-feed.ts';
import { revocationRouter } from './revocation/router.ts';
import { createTokenRevocation } from './revocation/token-revocation.ts';
import { prepareFirstAdministrator } from './setup/first-administrator.ts';
import { prepareMcpServerClient } from './setup/mcp-server-client.ts';
import { setupRouter } from './setup/router.ts';

export { type Config, readConfig } from './config.ts';
export { createEgress, type Egress, type EgressNetwork, type EgressResult } from './egress/egress.ts';

/** What the process gives the server. */
export type ServerDeps = {
  database: Database;
  masterKey: Buffer;
  clock: Clock;
  log: Logger;
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
  /** Ends what would not end by itself: streams that are open. */
  close(): void;
};

/** The only wiring: dependencies, then middleware and routers in the order a request meets them. */
export async function createAuthorizationServer(config: Config, deps: ServerDeps): Promise<AuthorizationServer> {
  const { database, masterKey, clock, log } = deps;
  const { site, roles, registration, accessTokenTtlSeconds } = config;
  const fixedResources = [...config.resources, adminResource(site)] as const;
  const catalogue = createResourceCatalogue(fixedResources, database);
  const envelope = createEnvelope(masterKey);
  const users = createUserStore(database);
  const clients = createClientStore(database);
  const consents = createConsentStore(database);
  const links = createOneTimeLinkStore(database);
  const audit = createAuditLog(database);
  const egress = createEgress({ ports: config.clientMetadataDocuments.ports, network: deps.network });
  const documents = clientDocuments(config, deps, egress);
  const formTokens = createFormTokens(deriveKey(masterKey, 'form-tokens'));
  const signingKeys = await loadSigningKeys(createSigningKeyStore(database, envelope), clock());
  const permissionsOf = storedPermissions(clients, clock);
  const revocations = createRevocationLog(database);
  const tokens = { issuer: site.issuer, keys: () => signingKeys };
  const clientAuthenticationLimit = createFailureLimit(database, CLIENT_AUTHENTICATION_LIMIT);
  const approvals = createClientApprovalStore(database);
  const standing = { clients, approvals, grants: createGrantStore(database), users, revocations };
  await prepareMcpServerClient(config.mcpServer, { database, resource: config.resources[0], now: clock() });

  const provider = createEngine({
    site,
    catalogue,
    roles,
    accessTokenTtlSeconds,
    registers: registration.policy !== 'off',
    clients,
    permissionsOf,
    store: createEngineAdapter(database, { clock, envelope, errors }),
    users,
    consents,
    audit,
    clientAuthenticationLimit,
    accessTokens: {
      introspect: createIntrospection({ tokens, standing, clock }),
      revokeAccessToken: createTokenRevocation({ tokens, database, clock }),
    },
    documents,
    isPreRegistered: trustedClients(database),
    documentFetchLimit: createFailureLimit(database, DOCUMENT_FETCH_LIMIT),
    egress,
    signingKeys,
    cookieKeys: [deriveKey(masterKey, 'cookies').toString('base64url')],
    clock,
    log,
  });
  const linkDeps = { site, links, clock };
  const interactions = interactionRouter({
    acceptForms: acceptForms(site),
    provider,
    documents,
    site,
    catalogue,
    roles,
    formTokens,
    permissionsOf,
    users,
    consents,
    audit,
    clock,
    verifyPassword: await createPasswordVerifier(),
    limits: createSignInLimits(database),
    devices: createKnownDevices(site, createFormTokens(deriveKey(masterKey, 'known-devices'))),
  });
  const setup = setupRouter({
    ...linkDeps,
    acceptForms: acceptForms(site),
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
    clients,
    tokens: createRegistrationTokenStore(database),
    quota: createRegistrationQuota(database, registration.quota),
    audit,
    clock,
    log,
  });
  const feed = createRevocationFeed({ log: revocations, signal: database.revocationSignal, logger: log });
  const events = revocationRouter({
    clients,
    feed,
    log: revocations,
    clock,
    audit,
    failures: clientAuthenticationLimit,
  });
  const admin = adminApi({ site, database, fixedResources, roles, signingKeys, permissionsOf, audit, clock, log });

  const app = new Koa();
  app.proxy = config.trustedProxies > 0;
  app.maxIpsCount = config.trustedProxies;
  app.use(openRequestContext({ log, clock, basePath: site.basePath }));
  app.use(securityHeaders(site));
  app.use(errorBoundary(log));
  app.use(healthRouter(() => database.ready()).routes());
  app.use(pinHost(site));
  app.use(admin.metadata);
  app.use(shapeRequest(site, catalogue));
  app.use(assetsRouter().routes());
  app.use(registrationCors().routes());
  app.use(registrations.routes());
  app.use(interactions.routes());
  app.use(setup.routes());
  app.use(admin.router.routes());
  app.use(events.router.routes());
  app.use(handOverTo(provider.callback()));
  logUnansweredFaults(app, log);

  return {
    listener: app.callback(),
    setupLink: await prepareFirstAdministrator(config.firstAdministrator, { ...linkDeps, users, audit }),
    clean: () => clean(database, clock()),
    close() {
      events.close();
      feed.close();
    },
  };
}

const DAY_SECONDS = 24 * 3600;

/** Documents of clients are used for a week while their origin is away; keys, with which clients sign, for a day. */
const DOCUMENT_LIMITS = { maxFreshSeconds: DAY_SECONDS, maxStaleSeconds: 7 * DAY_SECONDS };
const KEY_LIMITS = { maxFreshSeconds: 600, maxStaleSeconds: DAY_SECONDS };

/** Clients that name themselves by the URL of a metadata document, unless that is switched off. */
function clientDocuments(
  { clientMetadataDocuments: { enabled, pinned, trust } }: Config,
  { database, clock, log }: ServerDeps,
  egress: Egress,
): ClientDocuments | undefined {
  if (!enabled) return undefined;
  const cacheDeps = { store: createRemoteDocumentStore(database), egress, clock, log };
  return createClientDocuments({
    documents: createDocumentCache(cacheDeps, DOCUMENT_LIMITS),
    keys: createDocumentCache(cacheDeps, KEY_LIMITS),
    versions: createClientDocumentVersionStore(database),
    approvals: createClientApprovalStore(database),
    pinned: pinnedTexts(pinned, { now: clock(), log }),
    trust,
    clock,
    log,
    grantTtlSeconds: GRANT_TTL_SECONDS,
  });
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

/** An HTTP server with the time limits of a server on the open internet. */
export function createHttpServer(listener: RequestListener) {
  return createServer(
    { requestTimeout: 30_000, headersTimeout: 10_000, keepAliveTimeout: 10_000, maxHeaderSize: 32_768 },
    listener,
  );
}
