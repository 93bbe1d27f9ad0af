import { type ClientStore, type ConsentStore, machineGrantId, type UserStore } from '@portcullis/persistence';
import type { AuditSink, Clock, Logger } from '@portcullis/platform';
import type { JWK } from 'jose';
import Keygrip from 'keygrip';
import { type AdapterFactory, type Configuration, errors, type KoaContextWithOIDC, Provider } from 'oidc-provider';
import { ADMIN_REFRESH_SECONDS, CLI_CLIENT } from '../admin/admin-resource.ts';
import type { ClientDocuments } from '../client-metadata/client-documents.ts';
import type { Egress } from '../egress/egress.ts';
import { engineFetch } from '../egress/engine-fetch.ts';
import { logUnansweredFaults } from '../http/error-boundary.ts';
import type { FailureLimit } from '../http/failure-limit.ts';
import { requestContext } from '../http/request-context.ts';
import { redirectTarget } from '../redirect-uri.ts';
import type { ResourceCatalogue } from '../resource-catalogue.ts';
import type { RolePermissions } from '../roles.ts';
import { pageUrl, type Site } from '../site.ts';
import { findAccount, rolesOf } from './accounts.ts';
import { recordEngineEvents, settlePending } from './audit-events.ts';
import { compareHashedSecrets, countFailedAuthentication } from './client-authentication.ts';
import type { PermissionsOf } from './client-permissions.ts';
import { documentVersionParameter } from './document-clients.ts';
import { engineAdapter } from './engine-adapter.ts';
import { engineErrorPages, renderNotFound, renderServerFault } from './engine-errors.ts';
import { type IsPreRegistered, showErrorsFirst } from './error-answer.ts';
import { interactionPrompts, loadExistingGrant } from './prompts.ts';
import { resourceIndicators } from './resources.ts';
import { answerForStructuredTokens, mayRevoke, type StructuredTokenAnswers } from './structured-tokens.ts';

const DAY_SECONDS = 24 * 3600;

/** How long things live, in seconds. */
const TTL = {
  code: 60,
  interaction: 10 * 60,
  session: DAY_SECONDS,
  refreshTokenIdle: 30 * DAY_SECONDS,
  refreshTokenAbsolute: 180 * DAY_SECONDS,
};

/** The longest that a grant can live. */
export const GRANT_TTL_SECONDS = TTL.refreshTokenAbsolute;

/** What the engine is built from. */
export type EngineOptions = {
  site: Site;
  catalogue: ResourceCatalogue;
  roles: RolePermissions;
  accessTokenTtlSeconds: number;
  /** Whether any client can register itself. */
  registers: boolean;
  clients: ClientStore;
  permissionsOf: PermissionsOf;
  store: AdapterFactory;
  users: UserStore;
  consents: ConsentStore;
  audit: AuditSink;
  clientAuthenticationLimit: FailureLimit;
  /** What is answered about access tokens at the endpoints for introspection and revocation. */
  accessTokens: StructuredTokenAnswers;
  /** Clients that name themselves by the URL of a metadata document; undefined when that is switched off. */
  documents: ClientDocuments | undefined;
  documentFetchLimit: FailureLimit;
  isPreRegistered: IsPreRegistered;
  egress: Egress;
  signingKeys: JWK[];
  /** Current key first; the others verify cookies that were signed before. */
  cookieKeys: string[];
  clock: Clock;
  log: Logger;
};

/** Builds the engine: one factory, so that the whole of it can be made anew when keys change. */
export function createEngine(options: EngineOptions): Provider {
  const provider = new Provider(options.site.issuer, configuration(options));
  provider.proxy = true;
  // The engine's types want a list; Koa takes a Keygrip too, and its default is HMAC with SHA-1.
  Object.assign(provider, { keys: new Keygrip(options.cookieKeys, 'sha256') });
  compareHashedSecrets(provider);
  recordEngineEvents(provider, {
    audit: options.audit,
    clock: options.clock,
    onClientAuthenticationFailed: (ctx) => countFailedAuthentication(ctx, options.clientAuthenticationLimit),
    onClientUsed: (id) => options.clients.noteUse({ id, now: options.clock() }),
  });
  provider.on('server_error', (ctx, error) =>
    options.log.error({ err: error, correlationId: requestContext(ctx).correlationId }, 'request failed'),
  );
  logUnansweredFaults(provider, options.log);
  provider.use(finishAnswer(options));
  showErrorsFirst(provider, options.isPreRegistered);
  answerForStructuredTokens(provider, options.accessTokens);
  return provider;
}

function configuration(options: EngineOptions): Configuration {
  const { site } = options;
  return {
    adapter: engineAdapter(options),
    clients: [CLI_CLIENT],
    findAccount: findAccount(options.users),
    jwks: { keys: options.signingKeys },
    responseTypes: ['code'],
    // Scopes belong to resources. There are no scopes of the server's own: no OpenID Connect, and refresh tokens go by grant type.
    scopes: [],
    pkce: { required: () => true },
    allowOmittingSingleRegisteredRedirectUri: false,
    clientAuthMethods: ['none', 'client_secret_basic', 'client_secret_post', 'private_key_jwt'],
    clientDefaults: {
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
      response_modes: ['query'],
      id_token_signed_response_alg: 'ES256',
    },
    clientBasedCORS: (_ctx, origin, client) => (client.redirectUris ?? []).some((uri) => isOriginOf(origin, uri)),
    assertJwtClientAuthClaimsAndHeader: async (_ctx, claims) => {
      if (claims.aud !== site.issuer)
        throw new errors.InvalidClientAuth('the audience of a client assertion must be the issuer');
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
      Grant: TTL.refreshTokenAbsolute,
      ClientCredentials: options.accessTokenTtlSeconds,
      RefreshToken: (_ctx, { iiat, resource }) =>
        refreshTokenTtl({
          firstIssuedAt: iiat,
          now: Math.floor(options.clock().getTime() / 1000),
          absoluteSeconds: isReserved(resource, options.catalogue) ? ADMIN_REFRESH_SECONDS : TTL.refreshTokenAbsolute,
        }),
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
    extraClientMetadata: { properties: ['client_document'], validator: () => undefined },
    features: {
      devInteractions: { enabled: false },
      userinfo: { enabled: false },
      rpInitiatedLogout: { enabled: false },
      dPoP: { enabled: false },
      pushedAuthorizationRequests: { enabled: false },
      clientCredentials: { enabled: true },
      revocation: { enabled: true, allowedPolicy: mayRevoke },
      // The engine's own answer is that no token is active: ours takes its place.
      introspection: { enabled: true, allowedPolicy: async () => false },
      // Clients register at a route of our own.
      registration: { enabled: false },
      resourceIndicators: resourceIndicators(options),
    },
  };
}

/** Slides with each rotation, and ends for good at a fixed time after the sign-in. */
function refreshTokenTtl({
  firstIssuedAt,
  now,
  absoluteSeconds,
}: {
  firstIssuedAt: number | undefined;
  now: number;
  absoluteSeconds: number;
}): number {
  const sinceSignIn = now - (firstIssuedAt ?? now);
  return Math.max(1, Math.min(TTL.refreshTokenIdle, absoluteSeconds - sinceSignIn));
}

function isReserved(identifier: string | string[] | undefined, catalogue: ResourceCatalogue): boolean {
  return [identifier ?? []].flat().some((url) => catalogue.isReserved(url));
}

/** Browsers hold `__Host-` and `__Secure-` cookies to https; on plain-http loopback they would reject them (SP-21). */
function cookies({ secure }: Site): Configuration['cookies'] {
  const flags = { httpOnly: true, sameSite: 'lax', signed: true, secure } as const;
  return {
    names: secure
      ? {
          session: '__Host-portcullis',
          interaction: '__Secure-portcullis-interaction',
          resume: '__Secure-portcullis-resume',
        }
      : { session: 'portcullis', interaction: 'portcullis-interaction', resume: 'portcullis-resume' },
    long: { ...flags, path: '/' },
    short: flags,
  };
}

/** Whether a browser app at `origin` is the client that redirects to `uri`; on loopback any port is the same app. */
function isOriginOf(origin: string, uri: string): boolean {
  if (!URL.canParse(origin)) return false;
  const target = redirectTarget(uri);
  if (target?.kind === 'loopback')
    return new URL(origin).protocol === 'http:' && new URL(origin).hostname === target.host;
  return target?.kind === 'web' && new URL(uri).origin === origin;
}

/** The last look at an answer of the engine: audit written, caching stated, metadata completed, 404 in words. */
function finishAnswer(options: EngineOptions) {
  const { log } = options;
  return async (ctx: KoaContextWithOIDC, next: () => Promise<void>) => {
    await next();
    try {
      await settlePending(ctx);
    } catch (cause) {
      log.error(
        { err: cause, correlationId: requestContext(ctx).correlationId },
        'what happened could not be recorded',
      );
      renderServerFault(ctx);
      return;
    }
    const route: string | undefined = ctx.oidc?.route;
    if (route === 'jwks' || route === 'discovery') ctx.set('Cache-Control', 'public, max-age=300');
    if (route === 'discovery') await describeServer(ctx, options);
    if (ctx.status === 404 && !ctx.body) renderNotFound(ctx);
  };
}

/** The engine's own document knows static scopes only, lists response modes that no client here may use, and no registration. */
async function describeServer(
  ctx: KoaContextWithOIDC,
  { site, catalogue, registers, documents }: EngineOptions,
): Promise<void> {
  if (typeof ctx.body !== 'object') return;
  const open = (await catalogue.list()).filter(({ reserved }) => !reserved);
  Object.assign(ctx.body ?? {}, {
    scopes_supported: [...new Set(open.flatMap(({ scopes }) => Object.keys(scopes)))],
    response_modes_supported: ['query'],
    client_id_metadata_document_supported: documents !== undefined,
    revocation_events_endpoint: pageUrl(site, '/revocations'),
    ...(registers && { registration_endpoint: pageUrl(site, '/register') }),
  });
}
