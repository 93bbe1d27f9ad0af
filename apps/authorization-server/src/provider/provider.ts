import { createHash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import {
  type ClientStore,
  type ConsentStore,
  type Database,
  type GrantStore,
  machineGrantId,
  type ReadAuthentication,
  type ReadPresented,
  type RedemptionStore,
  type SignInStore,
  type UpstreamConnectionStore,
  type UserStore,
} from '@portcullis/persistence';
import type { AuditSink, Clock, Logger } from '@portcullis/platform';
import { type AdapterFactory, type Configuration, errors, type KoaContextWithOIDC, Provider } from 'oidc-provider';
import { ADMIN_REFRESH_SECONDS, CLI_CLIENT } from '../admin/admin-resource.ts';
import type { ClientDocuments } from '../client-metadata/client-documents.ts';
import type { RemoteKeys } from '../client-metadata/remote-keys.ts';
import type { Egress } from '../egress/egress.ts';
import { engineFetch } from '../egress/engine-fetch.ts';
import type { IdentityProviders } from '../enterprise/identity-provider.ts';
import type { ProviderKeys } from '../enterprise/provider-keys.ts';
import type { Attempts } from '../http/attempts.ts';
import { logUnansweredFaults } from '../http/error-boundary.ts';
import type { FailureLimit } from '../http/failure-limit.ts';
import { requestContext } from '../http/request-context.ts';
import { type IsUnavailable, sendUnavailable } from '../http/unavailable.ts';
import type { CookieKeys } from '../keys/cookie-keys.ts';
import type { KeySet } from '../keys/key-ring.ts';
import type { Metrics } from '../metrics.ts';
import type { FamilyMarks } from '../redemption/family-mark.ts';
import { finishRedemption } from '../redemption/finish.ts';
import { endRedemption, type Presenting } from '../redemption/redemption.ts';
import { redirectTarget } from '../redirect-uri.ts';
import { type RefreshTokenPolicy, refreshTokenTtlSeconds } from '../refresh-tokens.ts';
import type { ResourceCatalogue } from '../resource-catalogue.ts';
import type { RolePermissions } from '../roles.ts';
import { pageUrl, type Site } from '../site.ts';
import { findAccount, rolesOf } from './accounts.ts';
import { assertionGrantMetadata, registerAssertionGrant } from './assertion-grant.ts';
import { recordEngineEvents, settlePending } from './audit-events.ts';
import { compareHashedSecrets, countFailedAuthentication, endingAuthentication } from './client-authentication.ts';
import type { PermissionsOf } from './client-permissions.ts';
import { documentVersionParameter } from './document-clients.ts';
import { engineAdapter } from './engine-adapter.ts';
import { engineErrorPages, renderNotFound, renderServerFault } from './engine-errors.ts';
import { type IsPreRegistered, showErrorsFirst } from './error-answer.ts';
import { type ClientCertificates, mutualTlsFeature } from './mutual-tls.ts';
import { interactionPrompts, loadExistingGrant } from './prompts.ts';
import { dpopFeature, PROOF_ALGORITHMS } from './proof-of-possession.ts';
import { resourceIndicators } from './resources.ts';
import { SESSION_TTL_SECONDS, sessionCookie } from './session-cookie.ts';
import { recordSignIns } from './sign-ins.ts';
import { answerForStructuredTokens, mayRevoke, type StructuredTokenAnswers } from './structured-tokens.ts';
import { countTokenAnswers } from './token-answers.ts';
import { addTokenExchange, type TokenExchangeDeps } from './token-exchange.ts';
import type { TokenRefusals } from './token-refusals.ts';

/** Its `jti` is remembered for as long as it lives (RFC 7523, section 3). */
const LONGEST_ASSERTION_SECONDS = 24 * 60 * 60;

const toSeconds = (moment: Date): number => Math.floor(moment.getTime() / 1000);

/** How long things live, in seconds. */
const TTL = {
  code: 60,
  interaction: 10 * 60,
  session: SESSION_TTL_SECONDS,
};

/** What the engine is built from. */
export type EngineOptions = {
  site: Site;
  database: Database;
  catalogue: ResourceCatalogue;
  roles: RolePermissions;
  accessTokenTtlSeconds: number;
  refreshTokens: RefreshTokenPolicy;
  refreshGraceSeconds: number;
  /** Whether any client can register itself. */
  registers: boolean;
  clients: ClientStore;
  permissionsOf: PermissionsOf;
  store: AdapterFactory;
  users: UserStore;
  grants: GrantStore;
  signIns: SignInStore;
  consents: ConsentStore;
  redemptions: RedemptionStore;
  presenting: Presenting;
  familyMarks: FamilyMarks;
  audit: AuditSink;
  refusals: TokenRefusals;
  clientAuthentications: Attempts;
  readAuthentication: ReadAuthentication;
  readPresented: ReadPresented;
  /** What is answered about access tokens at the endpoints for introspection and revocation. */
  accessTokens: StructuredTokenAnswers;
  connections: UpstreamConnectionStore;
  /** How the servers of resources get the tokens of upstreams; undefined where there is no upstream. */
  tokenExchange: TokenExchangeDeps | undefined;
  /** Clients that name themselves by the URL of a metadata document; undefined when that is switched off. */
  documents: ClientDocuments | undefined;
  documentFetchLimit: FailureLimit;
  remoteKeys: RemoteKeys;
  isPreRegistered: IsPreRegistered;
  egress: Egress;
  dpop: { nonceSecret: Buffer; requireNonce: boolean };
  /** How the certificates of clients come in; undefined where none do. */
  clientCertificates: ClientCertificates | undefined;
  /** Whose assertions are taken in place of a user's consent. */
  identityProviders: IdentityProviders;
  providerKeys: ProviderKeys;
  keySet: KeySet;
  jwksMaxAgeSeconds: number;
  cookieKeys: CookieKeys;
  metrics: Metrics;
  isUnavailable: IsUnavailable;
  clock: Clock;
  log: Logger;
};

/** Builds the engine: one factory, so that the whole of it can be made anew when keys change. */
export function createEngine(options: EngineOptions): Provider {
  const provider = new Provider(options.site.issuer, configuration(options));
  provider.proxy = true;
  // The engine's types want a list; Koa takes what signs and verifies too, and makes HMAC with SHA-1 of a list.
  Object.assign(provider, { keys: options.cookieKeys });
  compareHashedSecrets(provider);
  recordEngineEvents(provider, {
    audit: options.audit,
    refusals: options.refusals,
    metrics: options.metrics.tokens,
    clock: options.clock,
    onClientAuthenticationFailed: countFailedAuthentication,
    onClientUsed: (id) => options.clients.noteUse({ id, now: options.clock() }),
    onGrantUsed: (id) => options.grants.noteUse({ id, now: options.clock() }),
  });
  recordSignIns(provider, options);
  const faults = new WeakMap<IncomingMessage, Error>();
  provider.on('server_error', (ctx, error) => {
    faults.set(ctx.req, error);
    options.log.error({ err: error, correlationId: requestContext(ctx).correlationId }, 'request failed');
  });
  logUnansweredFaults(provider, options.log);
  provider.use(countTokenAnswers(options.metrics.tokens));
  provider.use(endingRedemption);
  provider.use(endingAuthentication);
  provider.use(finishAnswer(options, faults));
  showErrorsFirst(provider, options.isPreRegistered);
  answerForStructuredTokens(provider, options.accessTokens);
  registerAssertionGrant(provider, {
    ...options,
    grantKeptSeconds: options.refreshTokens.idleSeconds,
    signing: () => options.keySet.signing(options.clock()),
  });
  if (options.tokenExchange) addTokenExchange(provider, options.tokenExchange);
  return provider;
}

function configuration(options: EngineOptions): Configuration {
  const { site, keySet } = options;
  const { alg } = keySet.signing(options.clock());
  return {
    adapter: engineAdapter(options),
    clients: [CLI_CLIENT],
    findAccount: findAccount(options),
    jwks: { keys: [...keySet.keys] },
    enabledJWA: { dPoPSigningAlgValues: [...PROOF_ALGORITHMS] },
    responseTypes: ['code'],
    // Scopes belong to resources. There are no scopes of the server's own: no OpenID Connect, and refresh tokens go by grant type.
    scopes: [],
    pkce: { required: () => true },
    allowOmittingSingleRegisteredRedirectUri: false,
    clientAuthMethods: clientAuthMethods(options),
    clientDefaults: {
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
      response_modes: ['query'],
      id_token_signed_response_alg: alg,
    },
    clientBasedCORS: (_ctx, origin, client) => (client.redirectUris ?? []).some((uri) => isOriginOf(origin, uri)),
    assertJwtClientAuthClaimsAndHeader: async (_ctx, claims) => {
      if (claims.aud !== site.issuer)
        throw new errors.InvalidClientAuth('the audience of a client assertion must be the issuer');
      if (typeof claims.exp !== 'number' || claims.exp > toSeconds(options.clock()) + LONGEST_ASSERTION_SECONDS)
        throw new errors.InvalidClientAuth('a client assertion must expire within a day; exp is in seconds');
    },
    extraTokenClaims: (ctx, token) => {
      const grantId = 'grantId' in token && typeof token.grantId === 'string' ? token.grantId : undefined;
      const isMachine = token.kind === 'ClientCredentials';
      const gid = grantId ?? (isMachine ? machineGrantId(String(token.clientId), String(token.aud)) : undefined);
      return { ...(gid && { gid }), ...(ctx.oidc.account && { roles: rolesOf(ctx.oidc.account) }) };
    },
    issueRefreshToken: async (_ctx, client) => client.grantTypeAllowed('refresh_token'),
    rotateRefreshToken: true,
    expiresWithSession: async () => false,
    loadExistingGrant: loadExistingGrant(options),
    interactions: {
      policy: interactionPrompts(options),
      url: (_ctx, interaction) => pageUrl(site, `/interaction/${interaction.uid}`),
    },
    ttl: {
      AccessToken: options.accessTokenTtlSeconds,
      AuthorizationCode: TTL.code,
      Interaction: TTL.interaction,
      Session: TTL.session,
      Grant: options.refreshTokens.absoluteSeconds,
      ClientCredentials: options.accessTokenTtlSeconds,
      RefreshToken: (_ctx, { iiat, resource }) =>
        refreshTokenTtlSeconds(
          isReserved(resource, options.catalogue)
            ? { ...options.refreshTokens, absoluteSeconds: ADMIN_REFRESH_SECONDS }
            : options.refreshTokens,
          { firstIssuedAt: iiat, now: Math.floor(options.clock().getTime() / 1000) },
        ),
    },
    cookies: cookies(site),
    routes: {
      authorization: '/authorize',
      token: '/token',
      revocation: '/revoke',
      introspection: '/introspect',
      jwks: '/jwks',
      end_session: '/session/end',
    },
    renderError: engineErrorPages(options),
    // What the engine fetches by itself goes through the same door.
    fetch: engineFetch(options.egress),
    fetchResponseBodyLimits: { jwks_uri: 5 * 1024, sector_identifier_uri: 5 * 1024 },
    // The engine's own support for metadata documents stays off: ours answers in the adapter.
    extraParams: documentVersionParameter,
    extraClientMetadata: {
      properties: ['client_document'],
      validator: (_ctx, _property, _value, metadata) => {
        // There are no ID tokens, but the engine turns a client away whose algorithm for them has no key any more.
        metadata.id_token_signed_response_alg = alg;
      },
    },
    features: {
      devInteractions: { enabled: false },
      userinfo: { enabled: false },
      rpInitiatedLogout: { enabled: false },
      dPoP: dpopFeature(options.dpop),
      mTLS: mutualTlsFeature(options.clientCertificates, options.clock),
      pushedAuthorizationRequests: { enabled: false },
      clientCredentials: { enabled: true },
      revocation: { enabled: true, allowedPolicy: mayRevoke },
      // The engine's own answer is that no token is active: ours takes its place.
      introspection: { enabled: true, allowedPolicy: async () => false },
      // Clients register at a route of our own.
      registration: { enabled: false },
      resourceIndicators: resourceIndicators({ ...options, signing: () => keySet.signing(options.clock()) }),
    },
  };
}

/** A certificate authenticates where somebody is named who vouches for it. */
function clientAuthMethods({ clientCertificates }: EngineOptions) {
  const methods = ['none', 'client_secret_basic', 'client_secret_post', 'private_key_jwt'] as const;
  return clientCertificates?.authorities.length ? [...methods, 'tls_client_auth' as const] : [...methods];
}

function isReserved(identifier: string | string[] | undefined, catalogue: ResourceCatalogue): boolean {
  return [identifier ?? []].flat().some((url) => catalogue.isReserved(url));
}

/** Browsers hold `__Host-` and `__Secure-` cookies to https; on plain-http loopback they would reject them (SP-21). */
function cookies(site: Site): Configuration['cookies'] {
  const { name: session, options } = sessionCookie(site);
  const { path, ...short } = options;
  return {
    names: site.secure
      ? { session, interaction: '__Secure-portcullis-interaction', resume: '__Secure-portcullis-resume' }
      : { session, interaction: 'portcullis-interaction', resume: 'portcullis-resume' },
    long: options,
    short,
  };
}

/** Whether a browser app at `origin` is the client that redirects to `uri`; on loopback any port is the same app. */
function isOriginOf(origin: string, uri: string): boolean {
  if (!URL.canParse(origin)) return false;
  const target = redirectTarget(uri);
  if (!target || target.kind === 'private-use') return false;
  if (new URL(uri).protocol === 'http:')
    return new URL(origin).protocol === 'http:' && new URL(origin).hostname === target.host;
  return new URL(uri).origin === origin;
}

async function endingRedemption(ctx: KoaContextWithOIDC, next: () => Promise<void>): Promise<void> {
  try {
    await next();
  } finally {
    endRedemption(ctx);
  }
}

/**
 * The last look at an answer of the engine: codes and refresh tokens redeemed, audit written, caching stated, metadata
 * completed, 404 in words. Redeeming comes last of all that can fail.
 */
function finishAnswer(options: EngineOptions, faults: WeakMap<IncomingMessage, Error>) {
  const { log, isUnavailable, metrics } = options;
  const finish = finishRedemption({ ...options, ...options.refreshTokens, metrics: metrics.tokens });
  return async (ctx: KoaContextWithOIDC, next: () => Promise<void>) => {
    await next();
    try {
      await settlePending(ctx);
      await finish(ctx);
      await settlePending(ctx);
    } catch (cause) {
      log.error(
        { err: cause, correlationId: requestContext(ctx).correlationId },
        'what happened could not be recorded',
      );
      if (await isUnavailable(cause)) sendUnavailable(ctx);
      else renderServerFault(ctx);
      return;
    }
    const fault = faults.get(ctx.req);
    if (fault && (await isUnavailable(fault))) sendUnavailable(ctx);
    const route: string | undefined = ctx.oidc?.route;
    if (route === 'discovery') {
      ctx.set('Cache-Control', 'public, max-age=300');
      await describeServer(ctx, options);
    }
    if (route === 'jwks') nameVersion(ctx, options);
    if (ctx.status === 404 && !ctx.body) renderNotFound(ctx);
  };
}

/** Lets the key set be cached for as long as a new key is published before it signs, and be asked for again cheaply. */
function nameVersion(ctx: KoaContextWithOIDC, { jwksMaxAgeSeconds }: EngineOptions): void {
  ctx.set('Cache-Control', `public, max-age=${jwksMaxAgeSeconds}`);
  ctx.etag = createHash('sha256').update(JSON.stringify(ctx.body)).digest('base64url');
  if (ctx.fresh) ctx.status = 304;
}

/** The engine's own document knows static scopes only, lists response modes that no client here may use, and no registration. */
async function describeServer(
  ctx: KoaContextWithOIDC,
  { site, catalogue, registers, documents, identityProviders }: EngineOptions,
): Promise<void> {
  if (typeof ctx.body !== 'object') return;
  const open = (await catalogue.list()).filter(({ reserved }) => !reserved);
  Object.assign(ctx.body ?? {}, {
    scopes_supported: [...new Set(open.flatMap(({ scopes }) => Object.keys(scopes)))],
    response_modes_supported: ['query'],
    client_id_metadata_document_supported: documents !== undefined,
    revocation_events_endpoint: pageUrl(site, '/revocations'),
    ...clientAuthenticationMetadata(ctx.body),
    ...assertionGrantMetadata({ identityProviders }),
    ...(registers && { registration_endpoint: pageUrl(site, '/register') }),
  });
}

/**
 * How clients authenticate at the endpoints beside the token endpoint: in the same ways. What is not said there means
 * `client_secret_basic` alone (RFC 8414 §2). Introspection is for nobody who does not authenticate.
 */
function clientAuthenticationMetadata(metadata: unknown): Record<string, unknown> {
  const {
    token_endpoint_auth_methods_supported: methods,
    token_endpoint_auth_signing_alg_values_supported: algorithms,
  }: Record<string, unknown> = { ...Object(metadata) };
  return {
    revocation_endpoint_auth_methods_supported: methods,
    revocation_endpoint_auth_signing_alg_values_supported: algorithms,
    introspection_endpoint_auth_methods_supported: [methods ?? []].flat().filter((method) => method !== 'none'),
    introspection_endpoint_auth_signing_alg_values_supported: algorithms,
  };
}
