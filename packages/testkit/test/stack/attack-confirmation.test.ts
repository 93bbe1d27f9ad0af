import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { createGrantStore, dumpTables, hashToken, resealUnderMasterKey } from '@portcullis/persistence';
import { rounds } from '@portcullis/test-database';
import { createHttpPerson, type HttpPerson, pollUntil, type Step, sendJson } from '../../src/index.ts';
import {
  act,
  connect,
  cookiesOf,
  formTokenOf,
  join,
  type Member,
  post,
  signInAtAccount,
  words,
} from './support/account.ts';
import { registerClient, type Target, type TestClient, targetOf } from './support/authorization.ts';
import { type ServersWithDesk, startServersWithDesk } from './support/desk-beside.ts';
import { type InProcess, MASTER_KEY } from './support/in-process.ts';
import { basicAuthorization } from './support/listening-guard.ts';
import { type McpAnswer, postMcp } from './support/mcp-message.ts';
import { makeToken, newHolder } from './support/personal-access-tokens.ts';

const SECRET = 'the secret of the desk, 32 characters or more';
const LEAD = 'desk:read desk:admin';

let servers: ServersWithDesk;
let server: InProcess;
let target: Target;
let client: TestClient;
let secondDesk: string;
let [ada, bob]: [Member, Member] = [nobody(), nobody()];

beforeAll(async () => {
  servers = await startServersWithDesk({
    shared: { PORTCULLIS_MCP_CLIENT_SECRET: SECRET, PORTCULLIS_MCP_USER_POINTS_PER_MINUTE: '6000' },
  });
  server = servers.server;
  const { port } = await servers.anotherDesk();
  secondDesk = `http://localhost:${port}/mcp`;
  target = await targetOf(server);
  client = await registerClient(target);
  [ada, bob] = [await join(server, 'ada@example.com'), await join(server, 'bob@example.com')];
});
afterAll(() => servers?.close());

function nobody(): Member {
  return { email: '', password: '', userId: '' };
}

type Connection = { token: string; grantId: string; person: HttpPerson; client: TestClient };

const connections = new Map<string, Promise<Connection>>();

/** Somebody with an app that they have connected as a lead; the same connection each time. */
function connected(who: Member = ada, app = client): Promise<Connection> {
  const key = `${who.userId} ${app.id}`;
  const connection = connections.get(key) ?? connectedAnew(who, app);
  connections.set(key, connection);
  return connection;
}

/** What the call of one test asks for, so that its confirmation is its own. */
let usual = { limit: 0 };
beforeEach(() => {
  usual = { limit: usual.limit + 1 };
});

async function connectedAnew(who: Member = ada, app = client): Promise<Connection> {
  const person = createHttpPerson();
  const { access, grantId } = await connect(target, app, { person, who, scope: LEAD });
  return { token: access, grantId, person, client: app };
}

type Export = { args?: Record<string, unknown>; at?: string; name?: string };

function exportCustomers(
  token: string,
  { args = usual, at, name = 'export_customers' }: Export = {},
): Promise<McpAnswer> {
  const { host } = new URL(server.mcpUrl);
  const params = { name, arguments: args };
  const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params });
  return postMcp(at ?? server.mcpUrl, { token, body, headers: { host } });
}

/** The link that a call is answered with in place of its result. */
function linkOf({ result, text }: Pick<McpAnswer, 'result' | 'text'>): string {
  const [link] = /http:\/\/localhost:\d+\/account\/confirmations\/[A-Za-z0-9_-]{43}/.exec(text) ?? [];
  if (result?.isError !== true || link === undefined) throw new Error(`no link: ${text}`);
  return link;
}

const hasRun = ({ result }: McpAnswer) => result !== undefined && result.isError !== true;
const pathOf = (link: string) => new URL(link).pathname;

async function decide(person: HttpPerson, link: string, action: 'approve' | 'deny' = 'approve'): Promise<Step> {
  return act(person, await person.open(link), { path: pathOf(link), action });
}

/** Asks, and lets the user agree. */
async function approved({ token, person }: Connection, o: Export = {}): Promise<string> {
  const link = linkOf(await exportCustomers(token, o));
  expect(words(await decide(person, link))).toContain('You have allowed it');
  return link;
}

/** What the audit trail says of the confirmations of a grant. */
async function records(grantId: string): Promise<string[]> {
  const where = { type: { startsWith: 'confirmation.' }, tool: 'export_customers', detail: { contains: grantId } };
  const rows = await server.database.prisma.auditEvent.findMany({ where });
  return rows.map(({ type }) => type).sort();
}

describe('SP-29 a dangerous call needs the user’s word for that very call', () => {
  test('the user is asked on a page, agrees, and the call is made once', async () => {
    const ours = await connectedAnew();
    const { token, person, grantId } = ours;
    const asked = await exportCustomers(token, { args: { limit: 3 } });
    const link = linkOf(asked);
    expect(asked.text).not.toContain('@');
    const page = await person.open(link);
    for (const shown of ['export_customers', 'limit', '3', 'Client under attack', server.mcpUrl, 'Asked', ada.email]) {
      expect(words(page)).toContain(shown);
    }
    expect(linkOf(await exportCustomers(token, { args: { limit: 3 } }))).toBe(link);
    await decide(person, link);
    const made = await exportCustomers(token, { args: { limit: 3 } });
    expect(made.result?.structuredContent).toMatchObject({ customers: { length: 3 } });
    expect(words(await person.open(link))).toContain('It was done already');
    expect(hasRun(await exportCustomers(token, { args: { limit: 3 } }))).toBe(false);
    expect(await records(grantId)).toEqual([
      'confirmation.approved',
      'confirmation.asked',
      'confirmation.asked',
      'confirmation.used',
    ]);
  });

  test('who says no is not asked again, and nothing happens', async () => {
    const { token, person, grantId } = await connectedAnew();
    const link = linkOf(await exportCustomers(token));
    expect(words(await decide(person, link, 'deny'))).toContain('You have denied it');
    const refused = await exportCustomers(token);
    expect(refused.result).toMatchObject({ isError: true });
    expect(refused.text).toContain('not agreed');
    expect(words(await person.open(link))).toContain('You have denied it');
    expect(hasRun(await exportCustomers(token))).toBe(false);
    expect(await records(grantId)).toEqual(['confirmation.asked', 'confirmation.denied']);
  });

  test('a person who is not signed in is led to the page over the sign-in', async () => {
    const { token } = await connected();
    const link = linkOf(await exportCustomers(token));
    const person = createHttpPerson();
    const signIn = await person.open(link);
    expect(words(signIn)).toContain('Sign in to confirm');
    const page = await person.submit(signIn, { email: ada.email, password: ada.password, action: 'login' });
    expect(page.url.href).toBe(link);
    await act(person, page, { path: pathOf(link), action: 'approve' });
    expect(hasRun(await exportCustomers(token))).toBe(true);
  });

  test('the sign-in leads to a confirmation and nowhere else', async () => {
    for (const bad of ['https://evil.example', '//evil.example', '../../evil', 'a'.repeat(44)]) {
      const person = createHttpPerson();
      const page = await person.open(`${server.issuer}/account/sign-in?confirmation=${encodeURIComponent(bad)}`);
      const after = await person.submit(page, { email: ada.email, password: ada.password, action: 'login' });
      expect(after.url.href).toBe(`${server.issuer}/account`);
    }
  });
});

describe('an approval is good for nothing else', () => {
  test('RS-29, RS-33 somebody else who opens the link sees a plain refusal, and cannot agree', async () => {
    const { token } = await connected();
    const link = linkOf(await exportCustomers(token));
    const stranger = createHttpPerson();
    const account = await signInAtAccount(server.issuer, stranger, bob);
    const seen = await stranger.open(link);
    expect(seen.answer.status).toBe(404);
    for (const secret of ['export_customers', ada.email, 'Client under attack'])
      expect(words(seen)).not.toContain(secret);
    const fields = { form_token: formTokenOf(account, '/sign-out'), action: 'approve' };
    const forced = await post(server, link.slice(`${server.issuer}/account`.length), {
      cookie: cookiesOf(server, stranger),
      fields,
    });
    expect(forced.status).toBe(404);
    expect(hasRun(await exportCustomers(token))).toBe(false);
  });

  test('RS-29, RS-33 the link alone does nothing: no visit and no post without the sign-in', async () => {
    const { token } = await connected();
    const link = linkOf(await exportCustomers(token));
    const path = link.slice(`${server.issuer}/account`.length);
    await createHttpPerson().open(`${link}?action=approve`);
    const answer = await post(server, path, { cookie: undefined, fields: { action: 'approve' } });
    expect(answer.status).toBe(303);
    expect(hasRun(await exportCustomers(token))).toBe(false);
  });

  test.each<[string, (c: Connection) => Promise<McpAnswer>]>([
    [
      'another client of the same user',
      async () =>
        exportCustomers((await connected(ada, await registerClient(target, { client_name: 'Another' }))).token),
    ],
    ['the same client, connected another time', async () => exportCustomers((await connectedAnew()).token)],
    ['another user of the same client', async () => exportCustomers((await connected(bob)).token)],
    ['other arguments', ({ token }) => exportCustomers(token, { args: { limit: 99 } })],
  ])('%s does not get it', async (_who, attack) => {
    const ours = await connected();
    await approved(ours);
    expect(hasRun(await attack(ours))).toBe(false);
    expect(hasRun(await exportCustomers(ours.token))).toBe(true);
  });

  test('arguments that say the same are the same call, in whatever order', async () => {
    const ours = await connected();
    await approved(ours, { args: { limit: 100, after: 'C-1' } });
    expect(hasRun(await exportCustomers(ours.token, { args: { after: 'C-1' } }))).toBe(true);
  });

  test('it is used up by one call', async () => {
    const ours = await connected();
    await approved(ours);
    expect([hasRun(await exportCustomers(ours.token)), hasRun(await exportCustomers(ours.token))]).toEqual([
      true,
      false,
    ]);
  });

  test('of eight calls at once on two replicas one is made', async () => {
    for (let round = 0; round < Math.max(1, rounds(10)); round += 1) {
      usual = { limit: usual.limit + 1 };
      const ours = await connected();
      await approved(ours);
      const calls = Array.from({ length: 8 }, (_, index) =>
        exportCustomers(ours.token, index % 2 === 0 ? {} : { at: secondDesk }),
      );
      const answers = await Promise.all(calls);
      expect(answers.map(hasRun).filter(Boolean)).toHaveLength(1);
      expect(new Set(answers.filter((answer) => !hasRun(answer)).map(linkOf)).size).toBe(1);
    }
  });
});

describe('the page cannot be made to agree', () => {
  test.each<
    [string, (page: Step, link: string) => { fields: Record<string, string>; headers?: Record<string, string> }]
  >([
    ['without the form’s token', () => ({ fields: { action: 'approve' } })],
    [
      'with the token of another form',
      (page) => ({ fields: { action: 'approve', form_token: formTokenOf(page, '/sign-out') } }),
    ],
  ])('a post %s does nothing', async (_what, forge) => {
    const { token, person } = await connected();
    const link = linkOf(await exportCustomers(token));
    const account = await person.open(`${server.issuer}/account`);
    const cookie = cookiesOf(server, person);
    const answer = await post(server, link.slice(`${server.issuer}/account`.length), {
      cookie,
      ...forge(account, link),
    });
    expect(answer.status).toBe(400);
    expect(hasRun(await exportCustomers(token))).toBe(false);
  });

  test('a form from another site does nothing, whatever it knows', async () => {
    const { token, person } = await connected();
    const link = linkOf(await exportCustomers(token));
    const fields = { action: 'approve', form_token: formTokenOf(await person.open(link), pathOf(link)) };
    const path = link.slice(`${server.issuer}/account`.length);
    const cookie = cookiesOf(server, person);
    const foreign = await post(server, path, { cookie, fields, headers: { origin: 'https://evil.example' } });
    expect(foreign.status).toBe(403);
    const empty = await post(server, path, { cookie, fields: { form_token: fields.form_token } });
    expect(empty.status).toBe(400);
    expect(hasRun(await exportCustomers(token))).toBe(false);
    expect((await post(server, path, { cookie, fields })).status).toBe(200);
    expect(hasRun(await exportCustomers(token))).toBe(true);
  });

  test('no tool agrees for the user, and asking with more arguments does not', async () => {
    const { token } = await connected();
    const link = linkOf(await exportCustomers(token));
    for (const name of ['confirm', 'approve', 'confirmations']) {
      expect((await exportCustomers(token, { name, args: { link } })).error?.code).toBe(-32602);
    }
    for (const extra of [{ confirm: true }, { confirmed: true, limit: 1 }]) {
      expect((await exportCustomers(token, { args: extra })).error?.code).toBe(-32602);
    }
    expect(hasRun(await exportCustomers(token))).toBe(false);
  });
});

describe('only the server of the resource asks, and only those whom it concerns', () => {
  const body = (o: { grantId: string; subject?: string; clientId?: string }) =>
    JSON.stringify({ subject: ada.userId, clientId: client.id, tool: { name: 't', title: 'T' }, arguments: {}, ...o });
  const ask = (
    json: string,
    headers: Record<string, string> = basicAuthorization({ clientId: 'mcp-server', clientSecret: SECRET }),
  ) =>
    sendJson(`${server.issuer}/internal/confirmations`, {
      body: json,
      headers: { 'content-type': 'application/json', ...headers },
    });

  test('SP-4 a question outlives a new master key, and is asked anew where its page cannot be found any more', async () => {
    const { grantId } = await connectedAnew();
    const key = Buffer.alloc(32, 8);
    const both = await servers.anotherServer({ masterKeys: [key, MASTER_KEY] });
    const headers = basicAuthorization({ clientId: 'mcp-server', clientSecret: SECRET });
    const askAt = async ({ port }: { port: number }) => {
      const { host } = new URL(server.issuer);
      const answer = await sendJson(`http://localhost:${port}/internal/confirmations`, {
        body: body({ grantId }),
        headers: { host, 'content-type': 'application/json', ...headers },
      });
      return answer.json ?? {};
    };
    const { prisma } = server.database;
    const rowOf = (url: unknown) =>
      prisma.confirmation.findUnique({ where: { id: hashToken(String(url).split('/').at(-1) ?? '') } });
    const first = await askAt(server);
    expect(await askAt(both)).toEqual(first);
    expect(await rowOf(first.url)).toMatchObject({ grantId, approvedAt: null });
    await resealUnderMasterKey(server.database, { current: key, previous: MASTER_KEY });
    const anew = await askAt(await servers.anotherServer({ masterKeys: [key] }));
    await resealUnderMasterKey(server.database, { current: MASTER_KEY, previous: key });
    expect(anew).toMatchObject({ status: 'pending', url: expect.not.stringMatching(String(first.url)) });
    expect(await askAt(both)).toEqual(anew);
    expect(await rowOf(anew.url)).toMatchObject({ grantId });
    expect(await rowOf(first.url)).toBeNull();
  });

  test('nobody else is answered', async () => {
    const { grantId, token } = await connectedAnew();
    const wrong = basicAuthorization({ clientId: 'mcp-server', clientSecret: 'wrong' });
    for (const headers of [{}, wrong, { authorization: `Bearer ${token}` }]) {
      expect((await ask(body({ grantId }), headers)).status).toBe(401);
    }
    expect(await records(grantId)).toEqual([]);
  });

  test('a user without such a grant is not asked', async () => {
    const { grantId } = await connected();
    const other = await registerClient(target, { client_name: 'Another' });
    for (const changes of [{ subject: bob.userId }, { clientId: other.id }]) {
      expect((await ask(body({ grantId, ...changes }))).json).toEqual({ status: 'nobody-to-ask' });
    }
    expect((await ask(body({ grantId: 'none' }))).json).toEqual({ status: 'nobody-to-ask' });
    expect((await ask(body({ grantId }))).json).toMatchObject({ status: 'pending' });
  });

  test('what is no call is refused', async () => {
    for (const json of ['{}', '[]', '{', JSON.stringify({ ...JSON.parse(body({ grantId: 'g' })), more: 1 })]) {
      expect((await ask(json)).status).toBe(400);
    }
  });

  test('the database has neither the link nor the arguments in any table, the audit trail among them', async () => {
    const { token, person } = await connected();
    const started = new Date();
    const link = linkOf(await exportCustomers(token, { args: { after: 'C-7777777', limit: 77 } }));
    const where = { type: 'tool.called', time: { gte: started }, detail: { contains: 'awaiting-confirmation' } };
    await pollUntil(async () => (await server.database.prisma.auditEvent.count({ where })) > 0, { what: 'its record' });
    const secrets = [link.split('/').at(-1) ?? '', 'C-7777777'];
    const found = async () => {
      const rows = await dumpTables(server.database);
      return secrets.filter((secret) => rows.includes(secret));
    };
    expect(await found()).toEqual([]);
    await decide(person, link, 'deny');
    expect(await found()).toEqual([]);
  });
});

test('RS-33 real SDK v2, 2026-07-28: a client that can open pages opens this one, and its call is made', async () => {
  const { token, person } = await connected();
  const opened: string[] = [];
  const app = new Client(
    { name: 'test', version: '1' },
    { capabilities: { elicitation: { url: {} } }, versionNegotiation: { mode: 'auto' } },
  );
  app.setRequestHandler('elicitation/create', async ({ params }) => {
    if (!('url' in params)) throw new Error('no page to open');
    opened.push(params.url);
    await decide(person, params.url);
    return { action: 'accept' };
  });
  await app.connect(
    new StreamableHTTPClientTransport(new URL(server.mcpUrl), {
      requestInit: { headers: { authorization: `Bearer ${token}` } },
    }),
  );
  try {
    const made = await app.callTool({ name: 'export_customers', arguments: { limit: 2 } });
    expect(made).toMatchObject({ structuredContent: { customers: { length: 2 } } });
    expect(opened).toHaveLength(1);
  } finally {
    await app.close();
  }
});

test('real SDK v2, 2025-11-25: the model gets the link, and repeats the call when the user has agreed', async () => {
  const { token, person } = await connected();
  const app = new Client({ name: 'test', version: '1' }, { capabilities: { elicitation: { form: {}, url: {} } } });
  await app.connect(
    new StreamableHTTPClientTransport(new URL(server.mcpUrl), {
      requestInit: { headers: { authorization: `Bearer ${token}` } },
    }),
  );
  try {
    const call = { name: 'export_customers', arguments: { limit: 2 } };
    const asked = await app.callTool(call);
    expect(asked).toMatchObject({ isError: true });
    await decide(person, linkOf({ result: { isError: true }, text: JSON.stringify(asked) }));
    expect(await app.callTool(call)).toMatchObject({ structuredContent: { customers: { length: 2 } } });
  } finally {
    await app.close();
  }
});

test('a personal access token asks as well, in the words of its user', async () => {
  const holder = await newHolder(server);
  const token = await makeToken(holder, { scope: ['desk:read', 'desk:admin'] });
  const page = await holder.person.open(linkOf(await exportCustomers(token)));
  expect(words(page)).toContain('A personal access token of yours');
  await act(holder.person, page, { path: page.url.pathname, action: 'approve' });
  expect(hasRun(await exportCustomers(token))).toBe(true);
  expect(hasRun(await exportCustomers(token))).toBe(false);
});

test('a question ends with what asked it', async () => {
  const { token, person, grantId } = await connectedAnew();
  const link = linkOf(await exportCustomers(token));
  await createGrantStore(server.database).revoke({ id: grantId, now: new Date() });
  expect((await person.open(link)).answer.status).toBe(404);
});

// These move the clock on, and so come last.
describe('it is over after minutes', () => {
  test('a question after ten, an approval after five', async () => {
    const [asked, agreed] = [await connected(), await connected(bob)];
    const link = linkOf(await exportCustomers(asked.token));
    server.pass(301);
    await approved(agreed);
    server.pass(280);
    const late = await asked.person.open(link);
    expect(words(late)).toContain('Allow once');
    server.pass(30);
    expect((await asked.person.open(link)).answer.status).toBe(404);
    expect(linkOf(await exportCustomers(asked.token))).not.toBe(link);
    expect(hasRun(await exportCustomers(agreed.token))).toBe(false);
  });
});
