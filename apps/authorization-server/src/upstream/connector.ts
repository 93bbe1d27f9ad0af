import type { TokenPair, UpstreamTokens } from '@portcullis/persistence';
import * as oauth from 'oauth4webapi';
import type { Egress, EgressAnswer } from '../egress/egress.ts';
import { engineFetch, FetchFailure } from '../egress/engine-fetch.ts';
import type { UserEndpoint } from './presets.ts';
import { type Upstream, upstreamOrigins } from './upstream.ts';

/**
 * Why nothing came of it: the user said no there, it answered with an error, it says that
 * what was given is over, its answer named another server or none,
 * it could not be reached, it took too long, its answer made no sense, or it gave more than was asked for, or nothing of it.
 */
export type UpstreamFailure =
  | 'user_refused'
  | 'error'
  | 'over'
  | 'wrong_issuer'
  | 'unreachable'
  | 'slow'
  | 'bad_answer'
  | 'more_than_asked'
  | 'less_than_asked';

/** Tokens that came with an answer and are not kept: they are to be revoked. */
export type Unkept = {
  /** Whose they are there, where that could be found out. */
  subject: string | undefined;
  tokens: TokenPair;
};

/** What came of speaking to an upstream. */
export type UpstreamResult<T> =
  | { ok: true; value: T }
  | { ok: false; failure: UpstreamFailure; cause?: unknown; unkept?: Unkept };

/** What must be kept between the way there and the way back. */
export type FlowSecrets = { state: string; nonce: string | undefined; codeVerifier: string };

/** Who the user is at the upstream, and what it gave. */
export type UpstreamGrant = {
  subject: string;
  label: string | undefined;
  /** What was given, without the scopes that are asked for in every case. */
  scopes: readonly string[];
  tokens: UpstreamTokens;
};

/** This server as a client of one upstream. The protocol is the library's; nothing of a client of ours goes there. */
export type Connector = {
  upstream: Upstream;
  /** Where the browser goes, with what must be kept for its return. */
  begin(o: {
    scopes: readonly string[];
    redirectUri: string;
    /** Asks for a sign-in that is no older; whether the upstream heeds it, its answer says. */
    maxAgeSeconds?: number | undefined;
  }): Promise<UpstreamResult<{ url: URL; secrets: FlowSecrets }>>;
  /** Reads the answer that the browser brought, and redeems its code. */
  finish(o: {
    answer: URLSearchParams;
    secrets: FlowSecrets;
    scopes: readonly string[];
    redirectUri: string;
    now: Date;
  }): Promise<UpstreamResult<UpstreamGrant>>;
  /** The same where only the user is asked about: the claims of the ID token. What else it gave is left there. */
  identify(o: {
    answer: URLSearchParams;
    secrets: FlowSecrets;
    redirectUri: string;
  }): Promise<UpstreamResult<oauth.IDToken>>;
  /** Whether it still knows an access token. True where it has no way to ask, and while it does not answer. */
  knows(tokens: UpstreamTokens): Promise<boolean>;
  /** Refreshes tokens; `over` where it takes the refresh token no longer. */
  refresh(o: { refreshToken: string; scopes: readonly string[]; now: Date }): Promise<UpstreamResult<UpstreamTokens>>;
  /** Revokes tokens, where the upstream has a way. */
  revoke(tokens: TokenPair): Promise<UpstreamResult<'revoked' | 'impossible'>>;
};

const METADATA_SECONDS = 600;

/** Makes the connector of an upstream; all its requests go through `egress`. */
export function createConnector(upstream: Upstream, { egress, now }: { egress: Egress; now: () => Date }): Connector {
  const options = {
    [oauth.customFetch]: engineFetch(egress),
    // Which servers may be spoken to without TLS was decided when the configuration was read.
    [oauth.allowInsecureRequests]: true,
  };
  const client: oauth.Client = { client_id: upstream.clientId };
  const authentication = clientAuthentication(upstream);
  const metadata = rememberedFor(METADATA_SECONDS, now, () => serverMetadata(upstream, options));
  const all = (scopes: readonly string[]) => [...new Set([...upstream.baseScopes, ...scopes])];

  return {
    upstream,
    begin: ({ scopes, redirectUri, maxAgeSeconds }) =>
      explained(async () => {
        const server = await metadata();
        const secrets = {
          state: oauth.generateRandomState(),
          nonce: upstream.discovery === 'openid' ? oauth.generateRandomNonce() : undefined,
          codeVerifier: oauth.generateRandomCodeVerifier(),
        };
        const url = new URL(server.authorization_endpoint ?? '');
        // A browser is sent to it: to no other scheme than the operator's own server has.
        if (url.protocol !== 'https:' && !upstreamOrigins(upstream).includes(url.origin))
          throw new Refused('bad_answer');
        const parameters = {
          ...upstream.authorizationParameters,
          response_type: 'code',
          client_id: upstream.clientId,
          redirect_uri: redirectUri,
          scope: all(scopes).join(' '),
          state: secrets.state,
          code_challenge: await oauth.calculatePKCECodeChallenge(secrets.codeVerifier),
          code_challenge_method: 'S256',
          ...(secrets.nonce !== undefined && { nonce: secrets.nonce }),
          ...(maxAgeSeconds !== undefined && { max_age: String(maxAgeSeconds) }),
        };
        for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value);
        return { url, secrets };
      }),
    finish: ({ answer, secrets, scopes, redirectUri, now: at }) =>
      explained(async () => {
        const given = await redeem({ answer, secrets, redirectUri });
        const tokens = tokensOf(given, at);
        const granted = grantedScopes(given, all(scopes));
        const kept = granted.filter((scope) => scopes.includes(scope));
        const isMore = !granted.every((scope) => all(scopes).includes(scope));
        // Also of what is not kept: whose it is decides about what else ends with it.
        const user = await explained(() => userOf(given, upstream, egress));
        const unkept = { subject: user.ok ? user.value.subject : undefined, tokens };
        if (isMore) throw new Unusable(unkept, new Refused('more_than_asked'));
        // A token whose scopes say nothing may reach anywhere: those of a GitHub App do.
        if (kept.length === 0) throw new Unusable(unkept, new Refused('less_than_asked'));
        if (!user.ok) throw new Unusable(unkept, user.cause);
        return { ...user.value, scopes: kept, tokens };
      }),
    identify: (returned) =>
      explained(async () => {
        const claims = oauth.getValidatedIdTokenClaims(await redeem(returned));
        if (!claims) throw new Refused('bad_answer');
        exactly(claims.sub);
        return claims;
      }),
    knows: async ({ accessToken }) => {
      const { user } = upstream;
      if (!user) return true;
      const answer = await explained(() => profileOf(accessToken, { user, egress }));
      return answer.ok || answer.failure !== 'over';
    },
    refresh: ({ refreshToken, scopes, now: at }) =>
      explained(async () => {
        const server = await metadata();
        const response = await oauth.refreshTokenGrantRequest(server, client, authentication, refreshToken, options);
        const given = await processed(response, (original) =>
          oauth.processRefreshTokenResponse(server, client, original, { recognizedTokenTypes: OTHER_TOKEN_TYPES }),
        );
        const tokens = tokensOf(given, at);
        if (!grantedScopes(given, scopes).every((scope) => all(scopes).includes(scope)))
          throw new Unusable({ subject: undefined, tokens }, new Refused('more_than_asked'));
        return { ...tokens, refreshToken: tokens.refreshToken ?? refreshToken };
      }, OVER_AT_REFRESH),
    revoke: (tokens) => explained(() => revoke(tokens)),
  };

  async function redeem({ answer, secrets, redirectUri }: Returned): Promise<oauth.TokenEndpointResponse> {
    const server = await metadata();
    const parameters = validatedAnswer(server, client, { answer, state: secrets.state });
    const response = await oauth.authorizationCodeGrantRequest(
      server,
      client,
      authentication,
      parameters,
      redirectUri,
      secrets.codeVerifier,
      options,
    );
    return processed(response, (original) =>
      oauth.processAuthorizationCodeResponse(server, client, original, {
        recognizedTokenTypes: OTHER_TOKEN_TYPES,
        ...(secrets.nonce !== undefined && { expectedNonce: secrets.nonce, requireIdToken: true }),
      }),
    );
  }

  async function revoke({ accessToken, refreshToken }: TokenPair): Promise<'revoked' | 'impossible'> {
    const server = await metadata();
    const { revocation } = upstream;
    if (revocation && revocation.style !== 'rfc7009') {
      await revokeInItsOwnWay(accessToken, {
        upstream,
        egress,
        style: revocation.style,
        endpoint: revocation.endpoint,
      });
      return 'revoked';
    }
    if (!server.revocation_endpoint) return 'impossible';
    for (const token of refreshToken === undefined ? [accessToken] : [refreshToken, accessToken]) {
      const response = await oauth.revocationRequest(server, client, authentication, token, options);
      await oauth.processRevocationResponse(response).catch((cause: unknown) => {
        // Google says so of an access token that went with its refresh token.
        if (errorIn(cause) !== 'invalid_token') throw cause;
      });
    }
    return 'revoked';
  }
}

/** What a browser brought back, and what was kept for it. */
type Returned = { answer: URLSearchParams; secrets: FlowSecrets; redirectUri: string };

/** A refusal on the way through {@link explained}. */
class Refused extends Error {
  override readonly name = 'Refused';
  readonly failure: UpstreamFailure;

  constructor(failure: UpstreamFailure, options?: ErrorOptions) {
    super(failure, options);
    this.failure = failure;
  }
}

/** A refusal of an answer that brought tokens. */
class Unusable extends Error {
  override readonly name = 'Unusable';
  readonly unkept: Unkept;

  constructor(unkept: Unkept, cause: unknown) {
    super('tokens came that are not kept', { cause });
    this.unkept = unkept;
  }
}

/** Reads an answer of the token endpoint. One that is refused, for a wrong ID token, say, may have brought tokens. */
async function processed<T>(response: Response, work: (response: Response) => Promise<T>): Promise<T> {
  const copy = response.clone();
  try {
    return await work(response);
  } catch (cause) {
    const body: unknown = await copy.json().catch(() => undefined);
    const [accessToken, refreshToken] = [memberOf(body, 'access_token'), memberOf(body, 'refresh_token')];
    if (typeof accessToken !== 'string') throw cause;
    const tokens = { accessToken, refreshToken: typeof refreshToken === 'string' ? refreshToken : undefined };
    throw new Unusable({ subject: undefined, tokens }, cause);
  }
}

/** Slack calls its bearer tokens by whom they act for. */
const OTHER_TOKEN_TYPES: oauth.RecognizedTokenTypes = { user: () => {} };

function clientAuthentication({ clientSecret, clientAuthentication: method }: Upstream): oauth.ClientAuth {
  if (!clientSecret || method === 'none') return oauth.None();
  return method === 'client_secret_post'
    ? oauth.ClientSecretPost(clientSecret.reveal())
    : oauth.ClientSecretBasic(clientSecret.reveal());
}

type Options = NonNullable<Parameters<typeof oauth.discoveryRequest>[1]>;

async function serverMetadata(upstream: Upstream, options: Options): Promise<oauth.AuthorizationServer> {
  const { issuer, discovery, authorizationEndpoint, tokenEndpoint, revocation } = upstream;
  const given = {
    ...(authorizationEndpoint !== undefined && { authorization_endpoint: authorizationEndpoint }),
    ...(tokenEndpoint !== undefined && { token_endpoint: tokenEndpoint }),
    ...(revocation?.style === 'rfc7009' && { revocation_endpoint: revocation.endpoint }),
    ...(upstream.namesItself && { authorization_response_iss_parameter_supported: true }),
  };
  if (discovery === undefined) return { issuer, ...given };
  const algorithm = discovery === 'openid' ? 'oidc' : 'oauth2';
  const response = await oauth.discoveryRequest(new URL(issuer), { ...options, algorithm });
  return { ...(await oauth.processDiscoveryResponse(new URL(issuer), response)), ...given };
}

/** State, `iss` (RFC 9207) and errors, in this order: what another server says about an error is not believed. */
function validatedAnswer(
  server: oauth.AuthorizationServer,
  client: oauth.Client,
  { answer, state }: { answer: URLSearchParams; state: string },
): URLSearchParams {
  try {
    return oauth.validateAuthResponse(server, client, answer, state);
  } catch (cause) {
    if (cause instanceof oauth.AuthorizationResponseError) {
      throw new Refused(cause.error === 'access_denied' ? 'user_refused' : 'error', { cause });
    }
    const issuer = answer.get('iss');
    const isForeign =
      issuer === null ? server.authorization_response_iss_parameter_supported : issuer !== server.issuer;
    throw new Refused(isForeign ? 'wrong_issuer' : 'bad_answer', { cause });
  }
}

function tokensOf({ access_token, refresh_token, expires_in }: oauth.TokenEndpointResponse, now: Date): UpstreamTokens {
  return {
    accessToken: access_token,
    refreshToken: refresh_token,
    accessExpiresAt: expires_in === undefined ? undefined : new Date(now.getTime() + expires_in * 1000),
  };
}

/** What was given: what was asked for, where the answer says nothing (RFC 6749 §5.1). GitHub and Slack put commas between. */
function grantedScopes({ scope }: oauth.TokenEndpointResponse, asked: readonly string[]): string[] {
  return scope === undefined ? [...asked] : scope.split(/[\s,]+/).filter(Boolean);
}

/** Who the user is there: by the ID token, or by what the upstream says to whoever has the token. */
async function userOf(
  given: oauth.TokenEndpointResponse,
  { user }: Upstream,
  egress: Egress,
): Promise<{ subject: string; label: string | undefined }> {
  const claims = oauth.getValidatedIdTokenClaims(given);
  if (!user && claims)
    return { subject: exactly(claims.sub), label: text(claims.preferred_username ?? claims.email ?? claims.name) };
  if (!user) throw new Refused('bad_answer');
  return profileOf(given.access_token, { user, egress });
}

/** Asks who has a token. A service that does not know it says so with status 401, or, as Slack does, names nobody. */
async function profileOf(
  accessToken: string,
  { user, egress }: { user: UserEndpoint; egress: Egress },
): Promise<{ subject: string; label: string | undefined }> {
  const result = await egress(user.endpoint, { headers: { authorization: `Bearer ${accessToken}` } });
  if (!result.ok) throw new FetchFailure(result.failure);
  const { status, body } = result.answer;
  if (status !== 200) throw new Refused(status === 401 ? 'over' : 'bad_answer');
  const profile: unknown = JSON.parse(body.toString('utf8'));
  const id = memberOf(profile, user.id);
  if (id === undefined || id === null || id === '') throw new Refused('over');
  return { subject: exactly(id), label: user.label === undefined ? undefined : text(memberOf(profile, user.label)) };
}

function memberOf(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, name)
    ? Reflect.get(value, name)
    : undefined;
}

/** OpenID Connect Core, section 2. */
const SUBJECT_CHARACTERS = 255;

/** Who somebody is there. What cannot be kept as it is, is refused: cut or rounded, two accounts would become one. */
function exactly(id: unknown): string {
  const subject = Number.isSafeInteger(id) ? String(id) : id;
  if (typeof subject !== 'string' || subject === '' || subject.length > SUBJECT_CHARACTERS)
    throw new Refused('bad_answer');
  return subject;
}

const LABEL_CHARACTERS = 100;

function text(value: unknown): string | undefined {
  return typeof value === 'string' || typeof value === 'number' ? String(value).slice(0, LABEL_CHARACTERS) : undefined;
}

/** GitHub takes the token in the body of a DELETE, Slack the token itself as the credential. */
async function revokeInItsOwnWay(
  token: string,
  o: { upstream: Upstream; egress: Egress; style: 'github' | 'bearer'; endpoint: string },
): Promise<void> {
  const { clientId, clientSecret } = o.upstream;
  const basic = Buffer.from(`${clientId}:${clientSecret?.reveal() ?? ''}`).toString('base64');
  const request =
    o.style === 'github'
      ? ({
          method: 'DELETE',
          headers: { authorization: `Basic ${basic}`, 'content-type': 'application/json' },
          body: JSON.stringify({ access_token: token }),
        } as const)
      : ({ method: 'POST', headers: { authorization: `Bearer ${token}` } } as const);
  const result = await o.egress(o.endpoint, request);
  if (!result.ok) throw new FetchFailure(result.failure);
  if (!isRevoked(result.answer, o.style)) throw new Refused('error');
}

/** Whether an answer says that a token is over. Whatever else comes, a limit on requests too, says nothing of it. */
function isRevoked({ status, body }: EgressAnswer, style: 'github' | 'bearer'): boolean {
  // 404 and 422: there is no such token any more.
  if (style === 'github') return [204, 404, 422].includes(status);
  if (status !== 200) return false;
  const answer: unknown = JSON.parse(body.toString('utf8'));
  const gone = ['token_revoked', 'token_expired', 'invalid_auth'];
  return memberOf(answer, 'ok') === true || gone.includes(text(memberOf(answer, 'error')) ?? '');
}

/** What services say of a refresh token that is over: RFC 6749, GitHub and Slack (with status 200), Atlassian. */
const OVER_AT_REFRESH = ['invalid_grant', 'bad_refresh_token', 'invalid_refresh_token', 'unauthorized_client'];

async function explained<T>(
  work: () => Promise<T>,
  over: readonly string[] = ['invalid_grant'],
): Promise<UpstreamResult<T>> {
  try {
    return { ok: true, value: await work() };
  } catch (thrown) {
    const cause = thrown instanceof Unusable ? thrown.cause : thrown;
    const error = errorIn(cause);
    const failure = error !== undefined && over.includes(error) ? 'over' : failureOf(cause);
    return { ok: false, failure, cause, ...(thrown instanceof Unusable && { unkept: thrown.unkept }) };
  }
}

/** The `error` that an upstream answered with, whatever the status was. */
function errorIn(cause: unknown): string | undefined {
  if (cause instanceof oauth.ResponseBodyError) return cause.error;
  const body = cause instanceof oauth.OperationProcessingError ? memberOf(cause.cause, 'body') : undefined;
  return text(memberOf(body, 'error'));
}

function failureOf(cause: unknown): UpstreamFailure {
  if (cause instanceof Refused) return cause.failure;
  if (cause instanceof FetchFailure) return cause.failure === 'slow' ? 'slow' : 'unreachable';
  if (cause instanceof oauth.ResponseBodyError || cause instanceof oauth.WWWAuthenticateChallengeError) return 'error';
  return 'bad_answer';
}

/** One load for all who ask, kept for a while; a failed one is not kept. */
function rememberedFor<T>(seconds: number, now: () => Date, load: () => Promise<T>): () => Promise<T> {
  let held: { value: Promise<T>; until: number } | undefined;
  return () => {
    if (held && now().getTime() < held.until) return held.value;
    const value = load();
    const mine = { value, until: now().getTime() + seconds * 1000 };
    held = mine;
    value.catch(() => {
      if (held === mine) held = undefined;
    });
    return value;
  };
}
