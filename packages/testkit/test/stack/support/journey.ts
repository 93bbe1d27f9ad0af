import { expect } from '@jest/globals';
import type { JsonAnswer, ServerMetadata } from '../../../src/attacker.ts';
import { authorizationUrl, createPkce, discover, readToken, register, requestToken } from '../../../src/attacker.ts';
import type { Decisions, HttpPerson } from '../../../src/http-person.ts';
import { createHttpPerson } from '../../../src/http-person.ts';
import type { Stack, StackOptions } from '../../../src/stack.ts';
import { startStack } from '../../../src/stack.ts';

/** The first administrator of a stack that {@link startPreparedStack} started: roles `admin` and `lead`. */
export const administrator = { email: 'ada@example.com', password: 'correct horse battery' };

/** A stack whose first administrator came from the environment, with its metadata. */
export type PreparedStack = Stack & { server: ServerMetadata };

/** Starts both servers, with {@link administrator} to sign in. */
export async function startPreparedStack(options: StackOptions = {}): Promise<PreparedStack> {
  const stack = await startStack({
    ...options,
    authorizationServer: {
      PORTCULLIS_ADMIN_EMAIL: administrator.email,
      PORTCULLIS_ADMIN_PASSWORD: administrator.password,
      ...options.authorizationServer,
    },
  });
  return Object.assign(stack, { server: await discover(stack.issuer) });
}

/** A client that registered itself. */
export type RegisteredClient = { clientId: string; registration: Record<string, unknown> };

/** Registers `metadata`, which must succeed. */
export async function registered(server: ServerMetadata, metadata: Record<string, unknown>): Promise<RegisteredClient> {
  const { status, json = {} } = await register(server, metadata);
  expect({ status, json }).toMatchObject({ status: 201, json: { client_id: expect.any(String) } });
  return { clientId: String(json.client_id), registration: json };
}

/** One authorization from its URL to its end. */
export type Authorization = {
  clientId: string;
  redirectUri: string;
  /** Put over the parameters; undefined leaves one out. */
  params?: Record<string, string | undefined>;
  /** What the person types and ticks; the administrator by default. */
  decisions?: Partial<Decisions>;
  person?: HttpPerson;
};

/** What the client is called back with. */
export type Callback = { url: URL; params: URLSearchParams; state: string; verifier: string };

/** The URL of an authorization request with PKCE, and what is needed to finish it. */
export function authorizationRequest(
  { server, mcpUrl }: Pick<PreparedStack, 'server' | 'mcpUrl'>,
  { clientId, redirectUri, params }: Authorization,
): { url: URL; state: string; verifier: string } {
  const { verifier, challenge } = createPkce();
  const state = `state-${verifier.slice(0, 8)}`;
  const url = authorizationUrl(server, {
    response_type: 'code',
    client_id: clientId,
    redirect_uri: redirectUri,
    code_challenge: challenge,
    code_challenge_method: 'S256',
    state,
    resource: mcpUrl,
    scope: 'desk:read',
    ...params,
  });
  return { url, state, verifier };
}

/** Sends a person through an authorization. */
export async function authorize(stack: PreparedStack, authorization: Authorization): Promise<Callback> {
  const { decisions, person = createHttpPerson() } = authorization;
  const { url, state, verifier } = authorizationRequest(stack, authorization);
  const callback = await person.authorize(url, { ...administrator, ...decisions });
  return { url: callback, params: callback.searchParams, state, verifier };
}

/** Trades a callback's code for tokens; `params` are put over the token request. */
export function redeem(
  stack: PreparedStack,
  { clientId, redirectUri }: Authorization,
  { callback, params = {} }: { callback: Callback; params?: Record<string, string | undefined> },
): Promise<JsonAnswer> {
  return requestToken(stack.server, {
    grant_type: 'authorization_code',
    client_id: clientId,
    redirect_uri: redirectUri,
    code: callback.params.get('code') ?? undefined,
    code_verifier: callback.verifier,
    resource: stack.mcpUrl,
    ...params,
  });
}

/** Tokens, with the claims of the access token. */
export type SignedIn = {
  accessToken: string;
  refreshToken: string | undefined;
  scope: string;
  claims: Record<string, unknown>;
};

/** The whole way from the authorization URL to tokens, which must succeed. */
export async function signIn(stack: PreparedStack, authorization: Authorization): Promise<SignedIn> {
  const callback = await authorize(stack, authorization);
  expect(Object.fromEntries(callback.params)).toEqual({
    code: expect.any(String),
    state: callback.state,
    iss: stack.issuer,
  });
  return signedIn(await redeem(stack, authorization, { callback }));
}

/** Reads a token answer, which must be a success. */
export function signedIn({ status, json = {} }: JsonAnswer): SignedIn {
  expect({ status, json }).toMatchObject({ status: 200, json: { access_token: expect.any(String) } });
  const accessToken = String(json.access_token);
  return {
    accessToken,
    refreshToken: typeof json.refresh_token === 'string' ? json.refresh_token : undefined,
    scope: String(json.scope),
    claims: readToken(accessToken).claims,
  };
}

/** A browser's part in an SDK client's sign-in, by hand: signs in, decides, and goes where it is sent. */
export function openAs(person: HttpPerson, decisions: Partial<Decisions> = {}): (url: URL) => Promise<unknown> {
  return async (url) => fetch(await person.authorize(url, { ...administrator, ...decisions }));
}
