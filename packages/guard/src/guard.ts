import { type Access, decideAccess } from './access.ts';
import { type TokenVerdict, verifyAccessToken } from './access-token.ts';
import { isAllowedOrigin, isOwnHost } from './caller-site.ts';
import { readCredentials } from './credentials.ts';
import { crossOriginHeaders, preflightResponse } from './cross-origin.ts';
import type { DeclaredKind } from './declarations.ts';
import { createIntrospectedTokens, type IntrospectedTokens, WITHOUT_INTROSPECTION } from './introspected-tokens.ts';
import { createIntrospect } from './introspection.ts';
import { createIssuerKeys } from './issuer-keys.ts';
import type { McpMessage } from './mcp-message.ts';
import { type MessageGate, messageGate, type SentMessage } from './message-gate.ts';
import { createMetadataMirror, MIRRORED_PATH } from './metadata-mirror.ts';
import type { OperationRefusal } from './operation.ts';
import { type GuardOptions, type GuardSettings, readOptions } from './options.ts';
import { judgePossession } from './possession.ts';
import type { Principal } from './principal.ts';
import { publicDocument } from './public-document.ts';
import type { Refusal } from './refusal.ts';
import { refusalResponse } from './refusal-response.ts';
import {
  type BodySource,
  judgeAnnouncedLength,
  judgeBodyHeaders,
  mayHaveBody,
  readBytes,
  withBody,
} from './request-body.ts';
import { resourceMetadataDocument, resourceMetadataPaths, resourceMetadataUrl } from './resource-metadata.ts';
import { listenToFeed, type RevocationFeed, type RevocationMetrics, withoutFeed } from './revocation-feed.ts';
import type { GrantRevocation } from './revoked-grants.ts';
import { keepSubjectToken } from './subject-token.ts';
import { createTokenEnds, type TokenEnds } from './token-ends.ts';
import { createUpstreamTokens, type UpstreamTokenResult, type UpstreamTokens } from './upstream-token.ts';
import { createVerifiedTokens } from './verified-tokens.ts';

/** Who is calling (`headers` belong on the answer), or why nobody is let in, with the answer to send. */
export type Authentication =
  | { ok: true; principal: Principal; headers: Readonly<Record<string, string>> }
  | { ok: false; refusal: Refusal; response: Response };

/** What is known of the connection that a request came over. */
export type Connection = {
  /**
   * The certificate that the client showed in the TLS handshake, in DER. It must come from the connection itself or
   * from a proxy that is known to have set it, never from a header that a client can send.
   */
  clientCertificate?: Uint8Array<ArrayBuffer> | undefined;
  /** The body, where the request comes without it. Default: the request's own. */
  body?: BodySource | undefined;
};

/** Whether a request goes on to the handler (`headers` belong on its answer), or what the guard itself answers. */
export type Admission =
  | { admitted: true; principal: Principal; headers: Readonly<Record<string, string>> }
  | { admitted: false; response: Response };

/** Whoever keeps a record of what was refused to whom. */
export type MessageObserver = {
  /** Told of a message that is refused for what it asks for, with its sender. What it throws, `protect` throws. */
  onRefusedMessage?: (refusal: OperationRefusal, sent: SentMessage) => void;
};

/** What stands behind a guard. `message` is there when the guard judges messages and the request is a POST. */
export type Handler = (
  request: Request,
  principal: Principal,
  message: McpMessage | undefined,
) => Promise<Response> | Response;

/**
 * Protects one MCP server. Holds no state but the issuer's public keys and metadata, which grants it revoked, what it
 * said of personal access tokens, and which proofs were used.
 */
export type Guard = Readonly<{
  /** The audience that tokens must have. */
  resource: string;
  /** Where the protected-resource metadata is. */
  resourceMetadataUrl: string;
  /**
   * Answers the protected-resource metadata, at the path-inserted and at the root URL.
   *
   * @returns undefined for every other path
   * @see RFC 9728 section 3
   */
  metadata(request: Request): Response | undefined;
  /**
   * Answers `/.well-known/oauth-authorization-server` with a copy of the issuer's metadata, or with 503 when it
   * cannot be had. Only with `mirrorIssuerMetadata`.
   *
   * @returns undefined for every other path
   */
  authorizationServerMetadata(request: Request): Promise<Response | undefined>;
  /** Answers `OPTIONS` on the MCP route. Checks the origin, not the token. undefined for every other method. */
  preflight(request: Request): Response | undefined;
  /**
   * Judges `Host`, `Origin` and the access token of one request, and whether the caller holds the key or certificate
   * that the token is bound to. All of it is judged anew each time, but for a signature that is known to be good; a DPoP
   * proof is used up.
   *
   * Whether the token was revoked is checked with what is known by then; without `revocation` credentials it is not.
   * Not checked: whether its scopes are enough for what is asked, and the body.
   */
  authenticate(request: Request, connection?: Connection): Promise<Authentication>;
  /**
   * Verifies a bearer token that came by another way, its revocation included; a bound one is refused. Not checked:
   * `Host`, `Origin`, scopes.
   */
  verifyToken(token: string): Promise<TokenVerdict>;
  /**
   * Whether the issuer's keys are at hand, for a readiness probe. Fetches them if there are none yet, as often as
   * a token would.
   */
  keysAvailable(): Promise<boolean>;
  /**
   * The 403 that makes a client ask for more scopes: `required` and the baseline in one challenge.
   *
   * @param step.required all scopes that the operation needs, also those that the token has
   * @see RFC 6750 section 3.1
   */
  insufficientScope(step: { request: Request; required: readonly string[] }): Response;
  /**
   * Everything but the body, for a handler that reads it itself: host, metadata, origin, preflight, credentials,
   * media type, announced length.
   *
   * @param options.lengthRequired refuse a POST without `Content-Length` (411), because nobody will count its bytes
   */
  admit(request: Request, options?: Connection & { lengthRequired?: boolean }): Promise<Admission>;
  /**
   * The whole way of a request: `admit`, then the body up to the limit, then the handler; CORS on its answer.
   *
   * With `declarations` the body is also read as one JSON-RPC message and judged. The handler gets it as `message`
   * (undefined unless it is a POST) in place of the request's body, and lists in its answer are sifted. Batches,
   * methods other than GET, POST and DELETE, and what nobody declared are refused.
   */
  protect(request: Request, handler: Handler, connection?: Connection & MessageObserver): Promise<Response>;
  /** Whether `protect` judges messages: whether there are `declarations`. */
  judgesMessages: boolean;
  /**
   * What a caller may do with what was declared under this name, by the same rules as `protect`.
   *
   * @throws TypeError when the guard has no `declarations`
   */
  access(principal: Principal, kind: DeclaredKind, name: string): Access;
  /** Whether a caller has a scope, or one that implies it, and the user's roles permit it. */
  permits(principal: Principal, scope: string): boolean;
  /** The paths that are the guard's to answer: the resource's own, and those of the metadata. */
  paths: ReadonlySet<string>;
  /**
   * Aborted when the token of this principal may no longer be used, for streams that have no other end: when it has
   * expired, or when the feed tells of a revocation of it (of a personal access token: of any that concerns it).
   * Without `revocation` credentials only when it has expired.
   *
   * @param over aborted when the stream has ended, so that nothing is kept for it; the answer is aborted then too
   */
  endOf(principal: Principal, over?: AbortSignal): AbortSignal;
  /**
   * A third-party service's token in the name of a user whom this guard let in, out of the issuer's vault: an exchange,
   * never the caller's own token (RFC 8693). Needs `revocation` credentials. Kept until it expires, and not handed out
   * once the caller's grant is revoked.
   *
   * @param upstream what the issuer's configuration calls the service
   * @throws Error without credentials, or when the issuer does not take them
   */
  upstreamToken(principal: Principal, upstream: string): Promise<UpstreamTokenResult>;
  /** What an operator may want to measure. */
  metrics(): Readonly<{ revocation: RevocationMetrics }>;
  /** Ends the connection to the revocation feed. Requests are still judged, by what is known. */
  close(): void;
}>;

/**
 * Makes a guard. With `revocation` credentials it connects to the issuer and stays connected until it is closed;
 * without them nothing is fetched before the first token comes.
 *
 * @throws TypeError when the options cannot work
 */
export function createGuard(options: GuardOptions): Guard {
  const settings = readOptions(options);
  const { metadata, authorizationServerMetadata } = documents(settings);
  const introspected = introspectedTokens(settings);
  const ends = createTokenEnds(settings);
  const feed = revocationFeed(settings, { introspected, ends });
  const sources = { feed, introspected, ends };
  const { refuse, verifyToken, keysAvailable, authenticate, refusedSite } = judges(settings, sources);
  const gate = messageGate(settings);

  function preflight(request: Request): Response | undefined {
    if (request.method !== 'OPTIONS') return undefined;
    return refusedSite(request) ?? preflightResponse(request);
  }

  async function admit(
    request: Request,
    { lengthRequired = false, clientCertificate }: Connection & { lengthRequired?: boolean } = {},
  ): Promise<Admission> {
    if (!isOwnHost(request, settings.allowedHosts)) return turnAway(refuse({ reason: 'foreign_host' }, request));
    // The documents come before the origin is judged: a page of any origin may read them.
    const answered = isWellKnown(request)
      ? (metadata(request) ?? (await authorizationServerMetadata(request)) ?? preflight(request))
      : preflight(request);
    if (answered !== undefined) return turnAway(answered);
    const authentication = await authenticate(request, { clientCertificate });
    if (!authentication.ok) return turnAway(authentication.response);
    const unread =
      judgeBodyHeaders(request, settings.bodyLimitBytes) ??
      (lengthRequired ? judgeAnnouncedLength(request) : undefined);
    if (unread !== undefined) return turnAway(refuse(unread, request));
    const headers = { ...authentication.headers, ...crossOriginHeaders(request) };
    return { admitted: true, principal: authentication.principal, headers };
  }

  type Admitted = { request: Request; principal: Principal; body: BodySource | undefined } & MessageObserver;

  async function answerBody({ request, principal, body }: Admitted, handler: Handler): Promise<Response | Refusal> {
    if (body === undefined) return handler(request, principal, undefined);
    const read = await readBytes(body, settings.bodyLimitBytes);
    if (read.ok && !mayHaveBody(request)) {
      return read.bytes.length === 0 ? handler(request, principal, undefined) : { reason: 'not_a_message' };
    }
    return read.ok ? handler(withBody(request, read.bytes), principal, undefined) : read.refusal;
  }

  async function answerMessage(
    { request, principal, body, onRefusedMessage }: Admitted,
    handler: Handler,
    gate: MessageGate,
  ): Promise<Response | Refusal> {
    const read = await gate.read(request, body);
    if (!read.ok) return read.refusal;
    const { message } = read;
    const sent = message && { principal, message };
    const refusal = sent && gate.judge(sent);
    if (sent && refusal) onRefusedMessage?.(refusal, sent);
    if (refusal !== undefined) return refusal;
    return gate.sift(await handler(request, principal, message), principal, message);
  }

  return Object.freeze({
    resource: settings.resource,
    resourceMetadataUrl: resourceMetadataUrl(settings.resource),
    metadata,
    authorizationServerMetadata,
    preflight,
    authenticate,
    verifyToken,
    keysAvailable,
    insufficientScope: ({ request, required }) => refuse({ reason: 'insufficient_scope', required }, request),
    admit,
    async protect(request, handler, connection) {
      const admission = await admit(request, connection);
      if (!admission.admitted) return admission.response;
      const { principal, headers } = admission;
      const admitted = { ...connection, request, principal, body: connection?.body ?? request.body ?? undefined };
      const answer = gate ? await answerMessage(admitted, handler, gate) : await answerBody(admitted, handler);
      return 'reason' in answer ? refuse(answer, request) : withHeaders(answer, headers);
    },
    judgesMessages: gate !== undefined,
    access(principal, kind, name) {
      if (gate === undefined) throw new TypeError('The guard has no declarations to judge by.');
      return gate.access(principal, kind, name);
    },
    permits(principal, scope) {
      const caller = { scopes: principal.scopes, permitted: settings.permittedScopes(principal) };
      return decideAccess({ scopes: [scope] }, caller, settings.hierarchy) === 'listed-and-callable';
    },
    paths: guardedPaths(settings),
    endOf: ends.endOf,
    upstreamToken: upstreamTokens(settings, feed),
    metrics: () => ({ revocation: feed.metrics() }),
    close: () => feed.close(),
  } satisfies Guard);
}

function guardedPaths({ resource, mirrorIssuerMetadata }: GuardSettings): ReadonlySet<string> {
  const mirrored = mirrorIssuerMetadata ? [MIRRORED_PATH] : [];
  return new Set([new URL(resource).pathname, ...resourceMetadataPaths(resource), ...mirrored]);
}

function upstreamTokens({ revocation, issuer, fetch, now }: GuardSettings, feed: RevocationFeed): UpstreamTokens {
  if (revocation) return createUpstreamTokens({ ...revocation, issuer, fetch, now, judge: feed.judge });
  return async () => {
    throw new Error('without revocation credentials the issuer does not know who asks for an upstream token');
  };
}

function documents(settings: GuardSettings): Pick<Guard, 'metadata' | 'authorizationServerMetadata'> {
  const paths = resourceMetadataPaths(settings.resource);
  const document = resourceMetadataDocument({
    ...settings,
    scopes: settings.supportedScopes,
    proofAlgorithms: settings.possession.algorithms,
    proofOfPossession: settings.possession.demanded,
  });
  const mirror = createMetadataMirror(settings);
  return {
    metadata: (request) =>
      isWellKnown(request) && paths.has(new URL(request.url).pathname)
        ? publicDocument(request, document, 300)
        : undefined,
    authorizationServerMetadata: mirror,
  };
}

/** Spares every other request the parsing of its URL. */
function isWellKnown({ url }: Request): boolean {
  return url.includes('/.well-known/');
}

function revocationFeed(settings: GuardSettings, { introspected, ends }: Omit<Sources, 'feed'>): RevocationFeed {
  const { revocation, issuer, fetch, now, onRevocationFeed: onChange } = settings;
  if (!revocation) return withoutFeed({ onChange });
  const onRevoked = (revocations: readonly GrantRevocation[]) => {
    introspected.forget(revocations);
    ends.end(revocations);
  };
  return listenToFeed({ ...revocation, issuer, fetch }, { now, onChange, onRevoked });
}

function introspectedTokens(settings: GuardSettings): IntrospectedTokens {
  const { revocation, introspection, issuer, resource, clockToleranceSeconds, fetch, now } = settings;
  if (!revocation) return WITHOUT_INTROSPECTION;
  return createIntrospectedTokens({
    introspect: createIntrospect({ ...revocation, ...introspection, issuer, fetch }),
    rules: { ...introspection, issuer, audience: resource, clockToleranceSeconds },
    now,
  });
}

type Sources = { feed: RevocationFeed; introspected: IntrospectedTokens; ends: TokenEnds };

function judges(settings: GuardSettings, { feed, introspected, ends }: Sources) {
  const keys = createIssuerKeys({ ...settings.keys, issuer: settings.issuer, fetch: settings.fetch }, settings.now);
  const deps = {
    rules: { ...settings, audience: settings.resource },
    keys,
    verified: createVerifiedTokens(settings.rememberedTokens),
    now: settings.now,
  };

  async function judge(token: string): Promise<TokenVerdict> {
    const heard = ends.heard();
    const opaque = await introspected.verify(token);
    const verdict = opaque ?? (await verifyAccessToken(token, deps));
    if (!verdict.ok) return verdict;
    const refusal = await feed.judge(verdict.principal);
    if (refusal !== undefined) return { ok: false, refusal };
    const confirmed = opaque ?? (await introspected.confirm(token, verdict.principal));
    if (!confirmed.ok) return confirmed;
    keepSubjectToken(confirmed.principal, token);
    ends.judged(confirmed.principal, heard);
    return confirmed;
  }

  function refuse(refusal: Refusal, request: Request): Response {
    settings.onRefusal(refusal, request);
    return refusalResponse(refusal, request, settings);
  }

  function siteRefusal(request: Request): Refusal | undefined {
    if (!isOwnHost(request, settings.allowedHosts)) return { reason: 'foreign_host' };
    return isAllowedOrigin(request, settings.allowedOrigins) ? undefined : { reason: 'foreign_origin' };
  }

  function turned(refusal: Refusal, request: Request): Authentication {
    return { ok: false, refusal, response: refuse(refusal, request) };
  }

  return {
    refuse,
    keysAvailable: () => keys.available(),
    refusedSite(request: Request): Response | undefined {
      const refusal = siteRefusal(request);
      return refusal && refuse(refusal, request);
    },
    async verifyToken(token: string): Promise<TokenVerdict> {
      const verdict = judgeBearer(await judge(token), settings);
      if (!verdict.ok) settings.onRefusal(verdict.refusal);
      return verdict;
    },
    async authenticate(request: Request, { clientCertificate }: Connection = {}): Promise<Authentication> {
      const foreign = siteRefusal(request);
      if (foreign !== undefined) return turned(foreign, request);
      const credentials = readCredentials(request);
      if (!credentials.ok) return turned(credentials.refusal, request);
      const verdict = await judge(credentials.token);
      if (!verdict.ok) return turned(verdict.refusal, request);
      const { principal } = verdict;
      const unproven = await judgePossession(
        {
          ...credentials,
          binding: principal.boundTo,
          proof: request.headers.get('dpop'),
          method: request.method,
          url: () => settings.publicUrl(request),
          certificate: clientCertificate,
          now: settings.now(),
        },
        settings.possession,
      );
      if (unproven !== undefined) return turned(unproven, request);
      return { ok: true, principal, headers: await nextNonce(principal, settings) };
    },
  };
}

/** Without a request nothing can be proven. */
function judgeBearer(verdict: TokenVerdict, { possession }: GuardSettings): TokenVerdict {
  if (!verdict.ok) return verdict;
  if (verdict.principal.boundTo !== undefined) return { ok: false, refusal: { reason: 'bound_token' } };
  return possession.demanded === undefined ? verdict : { ok: false, refusal: { reason: 'unbound_token' } };
}

/** A nonce with each good answer saves the client the round trip of a refusal (RFC 9449 section 8.2). */
async function nextNonce(
  { boundTo }: Principal,
  { possession: { nonces }, now }: GuardSettings,
): Promise<Readonly<Record<string, string>>> {
  return nonces === undefined || boundTo?.dpopKey === undefined ? {} : { 'dpop-nonce': await nonces.issue(now()) };
}

function turnAway(response: Response): Admission {
  return { admitted: false, response };
}

function withHeaders(response: Response, extra: Readonly<Record<string, string>>): Response {
  try {
    addHeaders(response.headers, extra);
    return response;
  } catch {
    // A response that came from fetch has headers that cannot be changed, hence the copy.
    const headers = new Headers(response.headers);
    addHeaders(headers, extra);
    return new Response(response.body, { status: response.status, statusText: response.statusText, headers });
  }
}

function addHeaders(headers: Headers, extra: Readonly<Record<string, string>>): void {
  // RFC 9110 lets `Vary` stand several times; of the others there is one.
  for (const [name, value] of Object.entries(extra)) headers[name === 'vary' ? 'append' : 'set'](name, value);
  // A stream that a proxy keeps back until it is full is none (TR-7).
  if (headers.get('content-type')?.startsWith('text/event-stream')) headers.set('x-accel-buffering', 'no');
}
