import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { createMemory, type Memory } from './memory.ts';

/** What the third party is told at its start. */
export type ThirdPartySettings = {
  issuer: string;
  clientId: string;
  clientSecret: string;
  /** `openid` gives ID tokens and metadata; `oauth` has neither, and says who the user is at `/user`. */
  mode: 'openid' | 'oauth';
};

const SLOW_MS = 20_000;

/** Time to do something meanwhile. */
const LATE_MS = 2000;
/** Every service has a few hundred of these; one does here. */
const REPOSITORIES = [
  { full_name: 'alice/notes', private: false, html_url: 'https://third-party.example/alice/notes', description: null },
  { full_name: 'alice/diary', private: true, html_url: 'https://third-party.example/alice/diary', description: 'Mine' },
];

type Exchange = { request: IncomingMessage; response: ServerResponse; url: URL; body: string };

/**
 * A third-party authorization server that remembers consent in a cookie, with a small API behind it. Who has the cookie
 * is sent straight back, as the confused-deputy attack needs it.
 */
export async function thirdParty(settings: ThirdPartySettings): Promise<RequestListener> {
  const memory = createMemory();
  const keys = await generateKeyPair('ES256');
  const jwk = { ...(await exportJWK(keys.publicKey)), kid: 'third-party', alg: 'ES256', use: 'sig' };
  const deps = { settings, memory, signIdToken, jwk };

  function signIdToken({ account, nonce }: { account: string; nonce: string | undefined }): Promise<string> {
    const now = Math.floor(Date.now() / 1000);
    const good = {
      iss: settings.issuer,
      aud: settings.clientId,
      sub: `id-of-${account}`,
      iat: now,
      exp: now + 300,
      ...(nonce !== undefined && { nonce }),
      preferred_username: account,
    };
    return new SignJWT({ ...good, ...memory.faults.claims })
      .setProtectedHeader({ alg: 'ES256', kid: 'third-party' })
      .sign(keys.privateKey);
  }

  return (request, response) => {
    void readBody(request)
      .then((body) => route({ request, response, url: new URL(request.url ?? '/', settings.issuer), body }, deps))
      .catch(() => json(response, 500, { error: 'server_error' }));
  };
}

type Deps = {
  settings: ThirdPartySettings;
  memory: Memory;
  jwk: object;
  signIdToken(o: { account: string; nonce: string | undefined }): Promise<string>;
};

async function route(exchange: Exchange, deps: Deps): Promise<void> {
  const { request, response, url, body } = exchange;
  const { memory, settings } = deps;
  const { method = 'GET', headers } = request;
  if (url.pathname === '/readyz') return json(response, 200, {});
  if (url.pathname === '/control/faults') {
    memory.faults = JSON.parse(body);
    return json(response, 200, {});
  }
  if (url.pathname === '/control/requests') {
    return json(response, 200, { requests: memory.requests, refreshes: memory.refreshes });
  }
  memory.requests.push({ method, url: url.href, headers, body });
  switch (`${method} ${url.pathname}`) {
    case 'GET /.well-known/openid-configuration':
      return settings.mode === 'openid' ? json(response, 200, metadata(settings)) : json(response, 404, {});
    case 'GET /jwks':
      return json(response, 200, { keys: [deps.jwk] });
    case 'GET /authorize':
    case 'POST /authorize':
      return authorize(exchange, deps);
    case 'POST /token':
      return token(exchange, deps);
    case 'POST /revoke':
      if (memory.faults.revocation !== undefined) return json(response, memory.faults.revocation, {});
      if (isOurClient(exchange, settings))
        memory.revoke(new URLSearchParams(body).get('token') ?? '', memory.faults.revokesAll ? 'account' : 'family');
      return json(response, 200, {});
    case 'GET /user':
      if (memory.faults.user !== undefined) return json(response, memory.faults.user, {});
      return api(exchange, {
        deps,
        scope: undefined,
        answer: (account) => ({ id: `id-of-${account}`, login: account }),
      });
    case 'GET /user/repos':
      return api(exchange, { deps, scope: 'repo:read', answer: () => REPOSITORIES });
    case 'POST /user/repos':
      return api(exchange, { deps, scope: 'repo:write', answer: () => ({ full_name: 'alice/new' }) });
    default:
      return json(response, 404, { error: 'not_found' });
  }
}

function metadata({ issuer }: ThirdPartySettings): object {
  return {
    issuer,
    authorization_endpoint: `${issuer}/authorize`,
    token_endpoint: `${issuer}/token`,
    revocation_endpoint: `${issuer}/revoke`,
    jwks_uri: `${issuer}/jwks`,
    response_types_supported: ['code'],
    subject_types_supported: ['public'],
    id_token_signing_alg_values_supported: ['ES256'],
    code_challenge_methods_supported: ['S256'],
    authorization_response_iss_parameter_supported: true,
  };
}

/** One page for both: who you are, and whether you agree. Both are remembered in a cookie, for this client whatever it asks. */
async function authorize({ request, response, url, body }: Exchange, { settings, memory }: Deps): Promise<void> {
  const form = new URLSearchParams(body);
  const remembered = /third-party=([a-z]+)/.exec(request.headers.cookie ?? '')?.[1];
  const account = form.get('account') ?? remembered;
  const query = url.searchParams;
  if (query.get('client_id') !== settings.clientId) return json(response, 400, { error: 'invalid_client' });
  if (request.method === 'GET' && account === undefined) {
    const page = `<!doctype html><title>Third party</title><h1>The third party</h1><form method="post">
<label>Account <input name="account" value="alice"></label><p>${query.get('scope')}</p>
<button name="decision" value="allow">Allow</button><button name="decision" value="refuse">Refuse</button></form>`;
    response.writeHead(200, { 'content-type': 'text/html' }).end(page);
    return;
  }
  const redirectUri = query.get('redirect_uri') ?? '';
  const back = new URL(redirectUri);
  back.searchParams.set('state', query.get('state') ?? '');
  const { authorize: fault } = memory.faults;
  if (fault !== 'no_iss')
    back.searchParams.set('iss', fault === 'wrong_iss' ? 'https://other.example' : settings.issuer);
  if (form.get('decision') === 'refuse') back.searchParams.set('error', 'access_denied');
  else if (fault === 'error') back.searchParams.set('error', 'server_error');
  else {
    const code = memory.addCode({
      account: account ?? '',
      scope: [query.get('scope'), memory.faults.extraScope].filter(Boolean).join(' '),
      redirectUri,
      challenge: query.get('code_challenge') ?? '',
      nonce: query.get('nonce') ?? undefined,
    });
    back.searchParams.set('code', code);
  }
  const cookie = `third-party=${account}; Path=/; HttpOnly; SameSite=Lax`;
  response.writeHead(303, { location: back.href, 'set-cookie': cookie }).end();
}

async function token(exchange: Exchange, { settings, memory, signIdToken }: Deps): Promise<void> {
  const { response, body } = exchange;
  const params = new URLSearchParams(body);
  const { token: fault } = memory.faults;
  if (fault === 'down') return void response.destroy();
  if (fault === 'late') await new Promise((resolve) => setTimeout(resolve, LATE_MS));
  if (fault === 'slow') await new Promise((resolve) => setTimeout(resolve, SLOW_MS));
  if (fault === 'error') return json(response, 500, { error: 'server_error' });
  if (!isOurClient(exchange, settings)) return json(response, 401, { error: 'invalid_client' });
  if (params.get('grant_type') === 'refresh_token') {
    const { refresh } = memory.faults;
    if (refresh) return json(response, refresh.status, { error: refresh.error });
    const presented = params.get('refresh_token') ?? '';
    const known = memory.find('refresh', presented);
    if (!known) return json(response, 400, { error: 'invalid_grant' });
    memory.refreshes += 1;
    // The one before is over: a second refresh with it fails.
    memory.revoke(presented);
    return json(response, 200, answerOf(memory, known));
  }
  const code = memory.takeCode(params.get('code') ?? '', {
    redirectUri: params.get('redirect_uri') ?? '',
    verifier: params.get('code_verifier') ?? '',
  });
  if (!code) return json(response, 400, { error: 'invalid_grant' });
  const idToken = settings.mode === 'openid' && { id_token: await signIdToken(code) };
  return json(response, 200, { ...answerOf(memory, code), ...idToken });
}

function answerOf(memory: Memory, given: Parameters<Memory['issue']>[0]): object {
  const { access, refresh, lifeSeconds } = memory.issue(given);
  const { noRefreshTokens, scope = given.scope } = memory.faults;
  return {
    access_token: access,
    ...(!noRefreshTokens && { refresh_token: refresh }),
    token_type: 'bearer',
    expires_in: lifeSeconds,
    scope,
  };
}

function isOurClient({ request, body }: Exchange, { clientId, clientSecret }: ThirdPartySettings): boolean {
  const basic = Buffer.from((request.headers.authorization ?? '').replace(/^basic /i, ''), 'base64').toString();
  const [id, secret] = basic.split(':').map((part) => decodeURIComponent(part.replaceAll('+', ' ')));
  if (id === clientId && secret === clientSecret) return true;
  const params = new URLSearchParams(body);
  return params.get('client_id') === clientId && params.get('client_secret') === clientSecret;
}

async function api(
  { request, response }: Exchange,
  { deps, scope, answer }: { deps: Deps; scope: string | undefined; answer(account: string): unknown },
): Promise<void> {
  const presented = (request.headers.authorization ?? '').replace(/^bearer /i, '');
  const known = deps.memory.find('access', presented);
  if (!known) return json(response, 401, { message: 'Bad credentials' });
  if (scope !== undefined && !known.scope.split(' ').includes(scope))
    return json(response, 403, { message: `needs ${scope}` });
  return json(response, 200, answer(known.account));
}

function json(response: ServerResponse, status: number, value: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value));
}

async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk);
  return Buffer.concat(chunks).toString('utf8');
}
