import { createHash, randomBytes } from 'node:crypto';
import { exchange, exchangeForm, jsonOf } from './http-exchange.ts';
import { type McpCalls, mcpCalls } from './mcp-call.ts';
import { createPerson, type Person, type PersonSettings } from './person.ts';
import type { Scenario } from './scenario.ts';
import type { RefreshChain } from './token-endpoint.ts';

/** An authorization server, as far as a client and its user have to do with it. */
export type SignInTarget = {
  person: PersonSettings;
  registrationEndpoint: string;
  tokenEndpoint: string;
  resource: string;
  /** What is asked for. */
  scope: string;
};

/** From a client that nobody knows to its first call of a tool; undefined where there is nothing to call. */
export type Journeys = SignInTarget & {
  calls: Omit<McpCalls, 'tokens'> | undefined;
  /** Whether everybody is new to the server each time, and has to sign in with a password. */
  signsInEachTime: boolean;
};

/** What a client has after a sign-in. */
export type SignedIn = { clientId: string; access: string; refresh: string };

const REDIRECT_URI = 'http://127.0.0.1:9/callback';

/** Whole journeys; each worker is a person of its own, who signs in at the first one and, by default, is known at the others. */
export function journeys({ calls, signsInEachTime, ...target }: Journeys): Scenario {
  const people = new Map<number, Person>();
  return {
    async step(_nth, worker) {
      const known = signsInEachTime ? undefined : people.get(worker);
      const person = known ?? createPerson(target.person);
      people.set(worker, person);
      const { access } = await signInToNewClient(target, person);
      if (calls === undefined) return;
      const call = await mcpCalls({ ...calls, tokens: { given: access } });
      await call.prepare?.(1);
      await call.step(0, worker);
    },
  };
}

/** Registers a client and has a person sign in to it. */
export async function signInToNewClient(target: SignInTarget, person: Person): Promise<SignedIn> {
  return signInTo(await registered(target), target, person);
}

/** Has a person sign in to a client that is there, and that may be called back at {@link REDIRECT_URI}. */
export async function signInTo(clientId: string, target: SignInTarget, person: Person): Promise<SignedIn> {
  const { scope, resource, tokenEndpoint } = target;
  const verifier = randomBytes(32).toString('base64url');
  const url = new URL(target.person.authorizationEndpoint);
  url.search = new URLSearchParams({
    ...{ response_type: 'code', client_id: clientId, redirect_uri: REDIRECT_URI, state: 'state', scope, resource },
    code_challenge: createHash('sha256').update(verifier).digest('base64url'),
    code_challenge_method: 'S256',
  }).toString();
  const code = (await person.authorize(url)).searchParams.get('code');
  if (code === null) throw new Error('no code came');
  const { access_token: access, refresh_token: refresh } = await exchangeForm(new URL(tokenEndpoint), {
    ...{ grant_type: 'authorization_code', client_id: clientId, redirect_uri: REDIRECT_URI },
    ...{ code, code_verifier: verifier, resource },
  });
  if (typeof access !== 'string' || typeof refresh !== 'string') throw new Error('no tokens came');
  return { clientId, access, refresh };
}

/** Begins families of refresh tokens by having one person sign in to one new client after another. */
export function familiesOf(target: SignInTarget) {
  const person = createPerson(target.person);
  return {
    tokenEndpoint: target.tokenEndpoint,
    resource: target.resource,
    async begin(): Promise<RefreshChain> {
      const { clientId, refresh: refreshToken } = await signInToNewClient(target, person);
      return { clientId, refreshToken };
    },
  };
}

let clients = 0;

async function registered({ registrationEndpoint, scope, person }: SignInTarget): Promise<string> {
  clients += 1;
  const answer = await exchange({
    url: new URL(registrationEndpoint),
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      // A name of its own, because the same client twice may well be one.
      client_name: `Benchmark ${process.pid} ${clients}`,
      redirect_uris: [REDIRECT_URI],
      token_endpoint_auth_method: 'none',
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
      ...(person.kind === 'better-auth' && { application_type: 'native', scope }),
    }),
  });
  const id = jsonOf(answer, 201).client_id;
  if (typeof id !== 'string') throw new Error('no client_id came');
  return id;
}
