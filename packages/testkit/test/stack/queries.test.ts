import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createClientStore } from '@portcullis/persistence';
import { createTestDatabase, type TestDatabase } from '@portcullis/test-database';
import { asks, createHttpPerson, type JsonAnswer, sendJson } from '../../src/index.ts';
import {
  authorizationRequest,
  obtainCode,
  redeem,
  registerClient,
  type Target,
  targetOf,
  tokensOf,
} from './support/authorization.ts';
import { type AroundTransaction, type InProcess, startInProcess } from './support/in-process.ts';
import { basicAuthorization, registerResourceServer, type ServerCredentials } from './support/listening-guard.ts';
import { OWNER_ENV } from './support/owner.ts';

const SECRET = 'the secret of a machine, which is 43 characters long';

let database: TestDatabase;
let server: InProcess;
let target: Target;
let desk: ServerCredentials;
let client: Awaited<ReturnType<typeof registerClient>>;
let tokens: ReturnType<typeof tokensOf>;
let queries: string[] = [];
let beforeQuery: (query: string) => Promise<void> | undefined = () => undefined;
let aroundTransaction: AroundTransaction = (run) => run();

beforeAll(async () => {
  database = await createTestDatabase();
  server = await startInProcess({
    databaseUrl: database.url,
    env: OWNER_ENV,
    beforeQuery: (query) => {
      queries.push(query);
      return beforeQuery(query);
    },
    aroundTransaction: (run) => aroundTransaction(run),
  });
  target = await targetOf(server);
  if (server.database.kind === 'postgresql')
    asked = { client: 'client.findManyWithCounter', record: 'auditEvent.createMany' };
  desk = await registerResourceServer(server.database, server.mcpUrl);
  client = await registerClient(target, { client_name: 'Counted' });
  const code = await obtainCode(target, client, { person: createHttpPerson() });
  tokens = tokensOf(await redeem(target, client, { code }));
});

afterAll(async () => {
  await server?.close();
  await database?.drop();
});

/** The queries outside of transactions that a request makes, in alphabetical order, once it is answered well. */
async function queriesOf(request: () => Promise<JsonAnswer>): Promise<string[]> {
  queries = [];
  const { status, json } = await request();
  expect({ status, error: json?.error }).toEqual({ status: 200, error: undefined });
  return queries.toSorted();
}

/** On PostgreSQL requests of the same moment share these. */
let asked = { client: 'client.findWithCounter', record: 'auditEvent.create' };

const post = (path: string, body: Record<string, string>, headers: Record<string, string> = {}) =>
  sendJson(`${server.issuer}${path}`, { body: new URLSearchParams(body), headers });

const refresh = (token: string, clientId = client.id) =>
  post('/token', { grant_type: 'refresh_token', client_id: clientId, refresh_token: token });

describe('what a request asks the database, beside the one transaction that writes', () => {
  test('a refresh: its token, grant, client and user at once', async () => {
    expect(await queriesOf(() => refresh(tokens.refresh))).toEqual(['refresh.find']);
  });

  test('the redemption of a code: the code, its grant, client and user at once, and whether its sign-in stands', async () => {
    const code = await obtainCode(target, client, { person: createHttpPerson() });
    expect(await queriesOf(() => redeem(target, client, { code }))).toEqual([
      'authorizationCode.update',
      'code.find',
      'signIn.findUnique',
    ]);
  });

  test('client credentials: the client with how often it failed, and one record', async () => {
    await createClientStore(server.database).register({
      metadata: {
        client_id: 'machine',
        redirect_uris: [],
        response_types: [],
        grant_types: ['client_credentials'],
        token_endpoint_auth_method: 'client_secret_basic',
      },
      permissions: { firstParty: false, allowedResources: [server.mcpUrl], allowedScopes: ['desk:read'] },
      registration: 'manual',
      secret: SECRET,
      now: server.now(),
    });
    const obtain = () =>
      post(
        '/token',
        { grant_type: 'client_credentials', resource: server.mcpUrl },
        basicAuthorization({ clientId: 'machine', clientSecret: SECRET }),
      );
    await obtain();
    expect(await queriesOf(obtain)).toEqual([asked.record, asked.client]);
  });

  test('introspection: who asks with how often it failed, and what the token stands on', async () => {
    const introspect = () => post('/introspect', { token: tokens.access }, basicAuthorization(desk));
    expect(await queriesOf(introspect)).toEqual([asked.client, 'token.standing']);
  });
});

describe('an authorization by somebody who is signed in', () => {
  const person = createHttpPerson();
  beforeAll(async () => {
    await obtainCode(target, client, { person });
  });

  /** Goes as far as the consent page. */
  async function atConsent() {
    const step = await person.open(authorizationRequest(target, client).url);
    if (step.kind !== 'page' || !asks(step, 'approve')) throw new Error(`no consent page: ${step.answer.status}`);
    return step;
  }

  test('asks for the session with its sign-in and user, and then for the interaction with all of them', async () => {
    queries = [];
    const page = await atConsent();
    expect(queries.filter(isReading).toSorted()).toEqual([
      'client.findUnique',
      'interaction.findWithSession',
      'session.find',
    ]);
    queries = [];
    expect((await person.submit(page, { action: 'approve' })).kind).toBe('left');
    expect(queries.filter(isReading).toSorted()).toEqual([
      'grant.findUnique',
      'interaction.find',
      'interaction.findWithSession',
      'session.find',
    ]);
  });

  test.each([
    ['whose sign-in has ended (SP-12)', { endedAt: new Date(0) }, {}],
    ['of whom all was ended (SP-12)', {}, { accessEpoch: { increment: 1 } }],
    ['who was disabled', {}, { disabledAt: new Date(0) }],
  ])('is over for somebody %s meanwhile', async (_who, signIn, user) => {
    const page = await atConsent();
    const { prisma } = server.database;
    await prisma.signIn.updateMany({ data: signIn });
    await prisma.user.updateMany({ data: user });
    const { kind, answer } = await person.submit(page, { action: 'approve' });
    await prisma.user.updateMany({ data: { disabledAt: null } });
    await obtainCode(target, client, { person });
    expect({ kind, status: answer.status }).toEqual({ kind: 'page', status: 400 });
    expect(answer.text).toContain('This sign-in is over');
  });
});

/** Whether a query changes nothing, by its name. */
const isReading = (query: string) => /\.find/.test(query);

describe.each([
  ['a code', 'code.find'],
  ['a refresh token', 'refresh.find'],
])('a client that trades %s, and is limited', (what, find) => {
  test.each([
    ['before anything is read', find],
    ['after everything is read', 'redemption'],
  ])('%s, gets no more than that, and nothing of what it had', async (_when, step) => {
    const own = await registerClient(target, { client_name: `Limited at ${step} with ${what}` });
    const code = await obtainCode(target, own, { person: createHttpPerson() });
    const family = what === 'a code' ? undefined : tokensOf(await redeem(target, own, { code }));
    const trade = () => (family ? refresh(family.refresh, own.id) : redeem(target, own, { code }));
    let limited = false;
    const limit = async (reached: string) => {
      if (limited || reached !== step) return;
      limited = true;
      await createClientStore(server.database).update({
        id: own.id,
        permissions: { firstParty: false, allowedScopes: ['desk:write'], allowedResources: undefined },
        now: server.now(),
      });
    };
    beforeQuery = limit;
    aroundTransaction = async (run) => {
      await limit('redemption');
      return run();
    };
    const first = await trade();
    expect(limited).toBe(true);
    if (step === 'redemption') expect(first.json?.access_token).toBeUndefined();
    const { status, json } = first.status === 200 ? first : await trade();
    expect({ status, scope: json?.scope }).toEqual({ status: 200, scope: '' });
  });
});
