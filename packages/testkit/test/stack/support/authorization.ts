import { randomUUID } from 'node:crypto';
import type { HttpPerson, JsonAnswer, RawAnswer, RawRequest, ServerMetadata } from '../../../src/index.ts';
import { authorizationUrl, createPkce, discover, register, requestToken } from '../../../src/index.ts';
import { OWNER } from './owner.ts';

/** An authorization server and the resource that codes and tokens are asked for. */
export type Target = { server: ServerMetadata; mcpUrl: string };

/** A registered client; nobody listens at its redirect URI. */
export type TestClient = { id: string; secret: string | undefined; redirectUri: string };

/** A code with what it takes to redeem it. */
export type Code = { code: string; verifier: string };

const REDIRECT_URI = 'http://localhost:9/callback';

/** Finds the authorization server of a stack. */
export async function targetOf({ issuer, mcpUrl }: { issuer: string; mcpUrl: string }): Promise<Target> {
  return { server: await discover(issuer), mcpUrl };
}

/** Registers a client: public and on loopback unless `metadata` says otherwise. */
export async function registerClient(
  { server }: Pick<Target, 'server'>,
  metadata: Record<string, unknown> = {},
  raw: Pick<RawRequest, 'headers' | 'fromAddress'> = {},
): Promise<TestClient> {
  const answer = await register(
    server,
    {
      client_name: 'Client under attack',
      redirect_uris: [REDIRECT_URI],
      token_endpoint_auth_method: 'none',
      ...metadata,
    },
    raw,
  );
  const { client_id: id, client_secret: secret, redirect_uris: uris } = answer.json ?? {};
  if (answer.status !== 201 || typeof id !== 'string') throw new Error(`not registered: ${answer.text}`);
  return { id, secret: typeof secret === 'string' ? secret : undefined, redirectUri: String([uris].flat()[0]) };
}

/** An authorization request that is right in all respects; `changes` spoil it, undefined takes a parameter away. */
export function authorizationRequest(
  { server, mcpUrl }: Target,
  client: TestClient,
  changes: Record<string, string | undefined> = {},
): { url: URL; verifier: string; state: string } {
  const { verifier, challenge } = createPkce();
  const state = randomUUID();
  const url = authorizationUrl(server, {
    response_type: 'code',
    client_id: client.id,
    redirect_uri: client.redirectUri,
    code_challenge: challenge,
    code_challenge_method: 'S256',
    scope: 'desk:read',
    resource: mcpUrl,
    state,
    ...changes,
  });
  return { url, verifier, state };
}

/**
 * Where a page that shows an error leads on to: before anybody has signed in, an error goes to no client by itself
 * (AS-42). Undefined for an answer without such a page.
 */
export function shownError({ status, headers, text }: RawAnswer): URL | undefined {
  const [, href] = /<a href="([^"]+)" rel="noreferrer">Go back to the app<\/a>/.exec(text) ?? [];
  if (status !== 400 || headers.location !== undefined || href === undefined) return undefined;
  return new URL(href.replaceAll('&amp;', '&').replaceAll('&#39;', "'"));
}

/** Signs the owner in where asked, agrees to everything that is ticked, and takes the code. */
export async function obtainCode(
  target: Target,
  client: TestClient,
  { person, changes = {} }: { person: HttpPerson; changes?: Record<string, string | undefined> },
): Promise<Code> {
  const { url, verifier } = authorizationRequest(target, client, changes);
  const back = await person.authorize(url, OWNER);
  const code = back.searchParams.get('code');
  if (code === null) throw new Error(`no code: ${back.search}`);
  return { code, verifier };
}

/** The token request for a code, right in all respects; `changes` spoil it. */
export function codeExchange(
  { mcpUrl }: Target,
  client: TestClient,
  { code, verifier }: Code,
): Record<string, string | undefined> {
  return {
    grant_type: 'authorization_code',
    client_id: client.id,
    code,
    code_verifier: verifier,
    redirect_uri: client.redirectUri,
    resource: mcpUrl,
  };
}

/** Redeems a code; `changes` spoil the request. */
export function redeem(
  target: Target,
  client: TestClient,
  { code, changes = {} }: { code: Code; changes?: Record<string, string | undefined> },
): Promise<JsonAnswer> {
  return requestToken(target.server, { ...codeExchange(target, client, code), ...changes });
}

/** The tokens out of an answer of the token endpoint. */
export function tokensOf(answer: JsonAnswer): { access: string; refresh: string } {
  const { access_token: access, refresh_token: refresh } = answer.json ?? {};
  if (answer.status !== 200 || typeof access !== 'string') throw new Error(`no token: ${answer.text}`);
  return { access, refresh: String(refresh) };
}
