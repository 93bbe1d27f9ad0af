import { createTestDatabase } from '@portcullis/test-database';
import type { HttpPerson, JsonAnswer, Step, ThirdPartyServer } from '../../../src/index.ts';
import { asks, requestToken, startThirdParty } from '../../../src/index.ts';
import { authorizationRequest, redeem, type Target, type TestClient, targetOf, tokensOf } from './authorization.ts';
import { type InProcess, startInProcess } from './in-process.ts';
import { OWNER, OWNER_ENV } from './owner.ts';

/** The client that the MCP server is. */
export const MCP_CLIENT = { id: 'mcp-server', secret: 'a secret of the MCP server, long enough' };

/** An authorization server whose MCP server works with a third party, which is a process of its own. */
export type Proxied = {
  third: ThirdPartyServer;
  server: InProcess;
  /** A second replica on the same database. */
  replica: InProcess;
  target: Target;
  /** The same where the third party is known to end all tokens of an account with one. */
  together: Target;
  /** Starts one more replica, with another configuration. */
  replicaWith(configuration: Record<string, unknown>): Promise<InProcess>;
  stop(): Promise<void>;
};

const MCP_URL = 'http://localhost:4001/mcp';
const TOGETHER_URL = 'http://localhost:4002/mcp';

/** The configuration of a server in front of a third party, which it knows twice: once as ending all tokens with one. */
function proxiedConfiguration(third: ThirdPartyServer) {
  const resource = (name: string) => ({
    name: 'Repository helper',
    scopes: {
      'repos:read': { description: 'List your repositories' },
      'repos:write': { description: 'Create repositories' },
      'plain:read': { description: 'Read what is here' },
    },
    defaultScopes: ['repos:read'],
    roles: { lead: ['repos:read', 'repos:write', 'plain:read'] },
    upstream: { name, scopes: { 'repos:read': ['repo:read'], 'repos:write': ['repo:read', 'repo:write'] } },
  });
  return {
    upstreams: { elsewhere: third.configuration, together: { ...third.configuration, revokesAll: true } },
    resources: { [MCP_URL]: resource('elsewhere'), [TOGETHER_URL]: resource('together') },
  };
}

/** The environment of such a server. */
function proxiedEnvironment(third: ThirdPartyServer): Record<string, string> {
  return {
    ...OWNER_ENV,
    PORTCULLIS_MCP_CLIENT_SECRET: MCP_CLIENT.secret,
    PORTCULLIS_UPSTREAM_ELSEWHERE_SECRET: third.clientSecret,
    PORTCULLIS_UPSTREAM_TOGETHER_SECRET: third.clientSecret,
  };
}

/** Starts the third party, and two replicas in this process in front of it. */
export async function startProxied(mode: 'openid' | 'oauth' = 'openid'): Promise<Proxied> {
  const third = await startThirdParty(mode);
  const { url: databaseUrl, drop } = await createTestDatabase();
  const options = { databaseUrl, configuration: proxiedConfiguration(third), env: proxiedEnvironment(third) };
  const server = await startInProcess(options);
  const replica = await startInProcess({ ...options, issuer: server.issuer });
  return {
    third,
    server,
    replica,
    target: await targetOf({ issuer: server.issuer, mcpUrl: MCP_URL }),
    together: await targetOf({ issuer: server.issuer, mcpUrl: TOGETHER_URL }),
    replicaWith: (configuration) => startInProcess({ ...options, configuration, issuer: server.issuer }),
    async stop() {
      await replica.close();
      await server.close();
      await third.stop();
      await drop();
    },
  };
}

/** Opens an authorization, signs in, and stops at our consent page, or where it leads without one. */
export async function openConsent(
  { target }: Pick<Proxied, 'target'>,
  client: TestClient,
  { person, scope = 'repos:read', who = OWNER }: { person: HttpPerson; scope?: string; who?: typeof OWNER },
): Promise<{ step: Step; verifier: string }> {
  const { url, verifier } = authorizationRequest(target, client, { scope });
  let step = await person.open(url);
  if (asks(step, 'login')) step = await person.submit(step, { ...who, action: 'login' });
  return { step, verifier };
}

/** Agrees to all that the page asks for. */
export function approve(person: HttpPerson, step: Step, scope = 'repos:read'): Promise<Step> {
  return person.submit(step, { action: 'approve', scope: scope.split(' ') });
}

/** Whether a step leads to the third party. */
export function isAtThirdParty({ third }: Pick<Proxied, 'third'>, step: Step): boolean {
  return step.kind === 'left' && step.url.origin === third.issuer;
}

/** Says yes or no at the third party, and stops before the browser goes back: gives where it would go. */
export async function answerThere(
  person: HttpPerson,
  step: Step,
  { account = 'alice', decision = 'allow' }: { account?: string; decision?: 'allow' | 'refuse' } = {},
): Promise<URL> {
  let there = await person.open(step.url);
  if (asksThere(there)) there = await person.submit(there, { account, decision });
  if (there.kind !== 'left') throw new Error(`the third party stays: ${there.answer.text}`);
  return there.url;
}

function asksThere(step: Step): boolean {
  return step.kind === 'page' && step.forms.some((form) => form.buttons.some(([name]) => name === 'decision'));
}

/** Walks the whole way to the client: login, consent, third party, and back with the tokens. */
export async function connectThrough(
  proxied: Pick<Proxied, 'target' | 'third'>,
  client: TestClient,
  o: { person: HttpPerson; scope?: string; account?: string; who?: typeof OWNER },
): Promise<{ access: string; refresh: string; scope: string; back: URL; answer: JsonAnswer }> {
  const { person, scope = 'repos:read', account = 'alice' } = o;
  const { step: first, verifier } = await openConsent(proxied, client, o);
  let step = asks(first, 'approve') ? await approve(person, first, scope) : first;
  if (isAtThirdParty(proxied, step)) step = await person.open(await answerThere(person, step, { account }));
  if (asks(step, 'use')) step = await person.submit(step, { action: 'use' });
  if (step.kind !== 'left') throw new Error(`stopped at ${step.url.pathname}: ${step.answer.text}`);
  const code = step.url.searchParams.get('code');
  if (code === null) throw new Error(`no code: ${step.url.search}`);
  const answer = await redeem(proxied.target, client, { code: { code, verifier } });
  return { ...tokensOf(answer), scope: String(answer.json?.scope), back: step.url, answer };
}

/** Trades a user's token for one of the third party, as the MCP server; `changes` spoil the request. */
export function exchange(
  { target }: Pick<Proxied, 'target'>,
  subjectToken: string,
  changes: Record<string, string | undefined> = {},
  raw: { headers?: Record<string, string> } = {},
): Promise<JsonAnswer> {
  return requestToken(
    target.server,
    {
      grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
      client_id: MCP_CLIENT.id,
      client_secret: MCP_CLIENT.secret,
      subject_token: subjectToken,
      subject_token_type: 'urn:ietf:params:oauth:token-type:access_token',
      audience: 'elsewhere',
      ...changes,
    },
    raw,
  );
}
