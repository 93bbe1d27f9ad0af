import { generateKeyPairSync } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import {
  createClientStore,
  createEnvelope,
  createRegistrationTokenStore,
  createSigningKeyStore,
  createUserStore,
} from '@portcullis/persistence';
import { createTestDatabase, type TestDatabase } from '@portcullis/test-database';
import {
  createHttpPerson,
  dumpDatabase,
  dumpText,
  findFreePort,
  readToken,
  requestToken,
  sendRaw,
} from '../../src/index.ts';
import { adminTokens, callAdmin } from './support/administration.ts';
import {
  authorizationRequest,
  obtainCode,
  redeem,
  registerClient,
  type Target,
  targetOf,
  tokensOf,
} from './support/authorization.ts';
import { type CommandEnd, type CommandLine, createCommandLine } from './support/command-line.ts';
import { type InProcess, MASTER_KEY, startInProcess } from './support/in-process.ts';
import { OWNER, OWNER_ENV } from './support/owner.ts';

/** Where people have accounts that are users here. */
const PROVIDER = 'https://idp.example';

let database: TestDatabase;
let server: InProcess;
let target: Target;
/** May do everything. */
let admin: CommandLine;
/** Signed in with the scope of another area. */
let narrow: { audit: CommandLine; users: CommandLine };
/** Signed in to a server that is not there. */
let lost: CommandLine;

beforeAll(async () => {
  database = await createTestDatabase();
  const configuration = { enterpriseAuthorization: { identityProviders: { [PROVIDER]: {} } } };
  server = await startInProcess({ databaseUrl: database.url, env: OWNER_ENV, configuration });
  target = await targetOf(server);
  admin = createCommandLine();
  admin.signIn(server.issuer, await adminTokens(target));
  narrow = { audit: createCommandLine(), users: createCommandLine() };
  narrow.audit.signIn(server.issuer, await adminTokens(target, { scope: 'admin:audit' }));
  narrow.users.signIn(server.issuer, await adminTokens(target, { scope: 'admin:users' }));
  lost = createCommandLine();
  lost.signIn(`http://localhost:${await findFreePort()}`, { access: 'none', refresh: 'none' });
});

afterAll(async () => {
  for (const line of [admin, narrow?.audit, narrow?.users, lost]) line?.remove();
  await server?.close();
  await database?.drop();
});

let counter = 0;
const unique = () => `n${++counter}`;

/** A user with the role agent, made beside the server. */
async function aUser(): Promise<string> {
  const email = `${unique()}@example.com`;
  const created = await createUserStore(server.database).create({ email, roles: ['agent'], now: new Date() });
  if (!created.ok) throw new Error(created.refusal.reason);
  return email;
}

/** A user with an account elsewhere, and the options that name it. */
async function aUserWithIdentity(): Promise<[string, ...string[]]> {
  const named = [await aUser(), '--identity-provider', PROVIDER, '--subject', unique()] as const;
  const { code, err } = await admin.run(['users', 'link', ...named]);
  if (code !== 0) throw new Error(err);
  return [...named];
}

/** A client that an administrator registered, or one that waits for a review. */
async function aClient({
  secret,
  underReview = false,
}: {
  secret?: string;
  underReview?: boolean;
} = {}): Promise<string> {
  const { client } = await createClientStore(server.database).register({
    registration: underReview ? 'dynamic' : 'manual',
    underReview,
    secret,
    metadata: {
      client_id: `client-${unique()}`,
      client_name: 'Portal',
      redirect_uris: ['https://portal.example/callback'],
      token_endpoint_auth_method: secret === undefined ? 'none' : 'client_secret_basic',
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
    },
    now: new Date(),
  });
  return client.id;
}

/** The id of a grant that the owner gave to an app. */
async function aGrant(): Promise<string> {
  const client = await registerClient(target);
  const code = await obtainCode(target, client, { person: createHttpPerson() });
  tokensOf(await redeem(target, client, { code }));
  const row = await server.database.prisma.grant.findFirstOrThrow({ where: { clientId: client.id } });
  return row.id;
}

/** The URL of a resource that an administrator added. */
async function aResource(): Promise<string> {
  const url = `https://${unique()}.example/mcp`;
  const added = await admin.run(['resources', 'add', url, '--name', 'Notes', '--scope', 'notes:read=Read notes']);
  if (added.code !== 0) throw new Error(added.err);
  return url;
}

/** The same, but without its client. */
async function aResourceWithoutClient(): Promise<string> {
  const url = await aResource();
  await server.database.prisma.client.deleteMany({ where: { resourceServer: url } });
  return url;
}

async function aRegistrationToken(): Promise<string> {
  const { id } = await createRegistrationTokenStore(server.database).issue({
    name: 'partner',
    maxUses: 1,
    now: new Date(),
    ttlSeconds: 600,
  });
  return id;
}

/** The id of a personal access token of the owner. */
async function aToken(): Promise<string> {
  const { out } = await admin.run(['tokens', 'issue', '--name', 'editor', '--scope', 'desk:read', '--json']);
  return JSON.parse(out).personalAccessToken.id;
}

/** The id of the key whose turn is next. */
async function aSpareKey(): Promise<string> {
  await server.keepKeys();
  const row = await server.database.prisma.signingKey.findFirstOrThrow({ orderBy: { sequence: 'desc' } });
  return row.id;
}

type Row = {
  command: string;
  /** Arguments with which it succeeds. */
  right: () => Promise<string[]> | string[];
  /** Arguments that make no sense. */
  wrong: string[];
  /** What the person reads. */
  shows: RegExp;
  /** Arguments that the server refuses, beside a missing scope. */
  refused?: () => Promise<string[]> | string[];
};

const ROWS: Row[] = [
  { command: 'status', right: () => [], wrong: ['now'], shows: /signed in as +owner@example\.com/ },
  {
    command: 'users list',
    right: () => aUserWithIdentity().then(() => []),
    wrong: ['--limit', 'none'],
    shows: /n\d+@example\.com +agent +active, signs in elsewhere[\s\S]*owner@example\.com +admin lead +active\s/,
  },
  {
    command: 'users add',
    right: () => ['--email', `${unique()}@example.com`, '--role', 'agent', '--role', 'lead'],
    wrong: ['--email', 'a@example.com'],
    shows: /password link +http:\/\/localhost:\d+\/password\?token=/,
    refused: () => ['--email', OWNER.email, '--role', 'agent'],
  },
  {
    command: 'users update',
    right: async () => [await aUser(), '--role', 'lead'],
    wrong: ['somebody'],
    shows: /roles +lead/,
    refused: async () => [await aUser(), '--role', 'emperor'],
  },
  {
    command: 'users reset-password',
    right: async () => [await aUser()],
    wrong: [],
    shows: /password link +http/,
    refused: () => ['nobody@example.com'],
  },
  {
    command: 'users disable',
    right: async () => [await aUser(), '--yes'],
    wrong: ['somebody'],
    shows: /state +disabled since/,
    refused: () => [OWNER.email, '--yes'],
  },
  {
    command: 'users enable',
    right: async () => [await aUser()],
    wrong: [],
    shows: /state +has set no password yet/,
    refused: () => ['nobody'],
  },
  {
    command: 'users identities',
    right: async () => (await aUserWithIdentity()).slice(0, 1),
    wrong: [],
    shows: /https:\/\/idp\.example +n\d+ +- +- +not yet\n/,
    refused: () => ['nobody@example.com'],
  },
  {
    command: 'users link',
    right: async () => [await aUser(), '--identity-provider', PROVIDER, '--subject', unique()],
    wrong: ['somebody', '--subject', '1'],
    shows: /n\d+ at https:\/\/idp\.example is n\d+@example\.com here now/,
    refused: async () => [await aUser(), '--identity-provider', `${PROVIDER}/`, '--subject', '1'],
  },
  {
    command: 'users unlink',
    right: async () => [...(await aUserWithIdentity()), '--yes'],
    wrong: ['somebody'],
    shows: /n\d+ at https:\/\/idp\.example is nobody here any more/,
    refused: async () => [await aUser(), ...(await aUserWithIdentity()).slice(1), '--yes'],
  },
  {
    command: 'clients list',
    right: () => aClient().then(() => []),
    wrong: ['--limit', '0'],
    shows: /NAME +STATE +CAME BY/,
    refused: () => ['--state', 'sleepy'],
  },
  {
    command: 'clients show',
    right: async () => [await aClient()],
    wrong: [],
    shows: /redirect URIs +https:\/\/portal\.example\/callback/,
    refused: () => ['nobody'],
  },
  {
    command: 'clients register',
    right: () => ['--name', 'Portal', '--redirect-uri', 'https://portal.example/cb', '--confidential'],
    wrong: ['--redirect-uri', 'https://portal.example/cb'],
    shows: /client_secret +[\w-]{43}/,
    refused: () => ['--name', 'Evil', '--redirect-uri', 'javascript:alert(1)'],
  },
  {
    command: 'clients update',
    right: async () => [await aClient(), '--name', 'Gateway', '--scope', 'desk:read'],
    wrong: ['somebody'],
    shows: /name +Gateway[\s\S]*scopes +desk:read/,
    refused: async () => [await aClient(), '--resource', `${server.issuer}/admin`],
  },
  {
    command: 'clients rotate-secret',
    right: async () => [await aClient({ secret: 'before' }), '--overlap', '2h', '--yes'],
    wrong: ['somebody', '--overlap', 'soon'],
    shows: /client_secret +[\w-]{43}/,
    refused: async () => [await aClient(), '--yes'],
  },
  {
    command: 'clients disable',
    right: async () => [await aClient(), '--yes'],
    wrong: ['somebody'],
    shows: /Portal is disabled now/,
    refused: () => ['nobody', '--yes'],
  },
  {
    command: 'clients enable',
    right: async () => [await aClient()],
    wrong: [],
    shows: /Portal is active now/,
    refused: () => ['nobody'],
  },
  {
    command: 'clients approve',
    right: async () => [await aClient({ underReview: true })],
    wrong: [],
    shows: /Portal is active now/,
    refused: async () => [await aClient()],
  },
  {
    command: 'clients reject',
    right: async () => [await aClient({ underReview: true }), '--yes'],
    wrong: ['somebody'],
    shows: /Portal is rejected now/,
    refused: async () => [await aClient(), '--yes'],
  },
  {
    command: 'clients delete',
    right: async () => [await aClient(), '--yes'],
    wrong: ['somebody'],
    shows: /Deleted Portal; grants ended: 0/,
    refused: () => ['nobody', '--yes'],
  },
  {
    command: 'resources list',
    right: () => aResource().then(() => []),
    wrong: ['--limit', '0'],
    shows: /Support desk +the configuration +desk:read desk:write desk:admin[\s\S]*Notes +an administrator +notes:read/,
  },
  {
    command: 'resources add',
    right: () => [`https://${unique()}.example/mcp`, '--name', 'Notes', '--scope', 'notes:read=Read notes'],
    wrong: ['https://notes.example/mcp', '--name', 'Notes', '--scope', 'notes:read'],
    shows: /client_id +[0-9a-f-]{36}\nclient_secret +[\w-]{43}\n/,
    refused: () => ['javascript:alert(1)', '--name', 'Evil', '--scope', 'notes:read=Read notes'],
  },
  {
    command: 'resources remove',
    right: async () => [await aResource(), '--yes'],
    wrong: ['https://notes.example/mcp'],
    shows: /Removed Notes; grants ended: 0/,
    refused: () => [server.mcpUrl, '--yes'],
  },
  {
    command: 'resources credentials',
    right: async () => [await aResourceWithoutClient()],
    wrong: [],
    shows: /client_id +[0-9a-f-]{36}\nclient_secret +[\w-]{43}\n/,
    refused: async () => [await aResource()],
  },
  {
    command: 'grants list',
    right: () => ['--user', OWNER.email, '--client', 'portcullis-cli'],
    wrong: ['--limit', '-1'],
    shows: /owner@example\.com +Portcullis command line +admin:/,
  },
  {
    command: 'grants revoke',
    right: async () => [await aGrant(), '--yes'],
    wrong: ['somebody'],
    shows: /Revoked what owner@example\.com had allowed Client under attack/,
    refused: () => ['nothing', '--yes'],
  },
  {
    command: 'tokens issue',
    right: () => ['--name', 'editor', '--scope', 'desk:read', '--scope', 'desk:write', '--days', '30'],
    wrong: ['--name', 'editor', '--scope', 'desk:read', '--days', 'many'],
    shows: /token +pct_[\w-]{49}\n/,
    refused: () => ['--name', 'editor', '--scope', 'desk:read', '--days', '366'],
  },
  {
    command: 'tokens list',
    right: () => aToken().then(() => ['--user', OWNER.email]),
    wrong: ['--limit', 'x'],
    shows: /owner@example\.com +editor +desk:read at http/,
  },
  {
    command: 'tokens revoke',
    right: async () => [await aToken(), '--yes'],
    wrong: [],
    shows: /Revoked the token “editor” of owner@example\.com/,
    refused: () => ['nothing', '--yes'],
  },
  {
    command: 'registration-tokens issue',
    right: () => ['--name', 'partner', '--uses', '3', '--ttl', '24h'],
    wrong: ['--name', 'partner', '--ttl', 'long'],
    shows: /token +pcr_[\w-]{43}/,
    refused: () => ['--name', 'partner', '--ttl', '1s'],
  },
  {
    command: 'registration-tokens list',
    right: () => aRegistrationToken().then(() => []),
    wrong: ['--limit', 'x'],
    shows: /partner +0 of 1/,
  },
  {
    command: 'registration-tokens revoke',
    right: async () => [await aRegistrationToken(), '--yes'],
    wrong: ['some'],
    shows: /Revoked the registration token/,
    refused: () => ['nothing', '--yes'],
  },
  {
    command: 'keys list',
    right: () => [],
    wrong: ['--limit', 'many'],
    shows: /active +ES256 +\d{4}-\d\d-\d\d [\d:]+Z +since .+ [\w-]{43}\n/,
  },
  {
    command: 'keys rotate',
    right: () => ['--yes', '--force'],
    wrong: ['now', '--yes'],
    shows: /The key [\w-]{43} signs from now on\. Its predecessor stays known until \d{4}-/,
    refused: () => ['--yes'],
  },
  {
    command: 'keys retire',
    right: async () => [await aSpareKey(), '--yes'],
    wrong: [],
    shows: /Retired the key [\w-]{43}; [\w-]{43} signs/,
    refused: () => ['nothing', '--yes'],
  },
  {
    command: 'audit search',
    right: () => ['--type', 'user.signed_in', '--since', '1h'],
    wrong: ['--since', 'yesterday'],
    shows: /user\.signed_in +success/,
    refused: () => ['--outcome', 'odd'],
  },
  { command: 'audit tail', right: () => ['-n', '5'], wrong: ['-n', 'all'], shows: /TIME +WHAT +OUTCOME/ },
  {
    command: 'audit export',
    right: async () => {
      await server.audit.seal();
      return ['--format', 'cef'];
    },
    wrong: ['--format', 'xml'],
    shows: /^<\d+>1 \S+Z localhost portcullis - [0-9a-f]{32} - CEF:0\|Portcullis\|/,
  },
  {
    command: 'audit verify',
    right: async () => {
      await server.audit.seal();
      return [];
    },
    wrong: ['--anchor', 'no-such-file'],
    shows: /records +[1-9]\d*, up to number [1-9]/,
  },
];

const run = (line: CommandLine, command: string, args: readonly string[]): Promise<CommandEnd> =>
  line.run([...command.split(' '), ...args]);

describe.each(ROWS)('portcullis $command', ({ command, right, wrong, shows, refused }) => {
  test('does it: exit code 0, in words and in JSON', async () => {
    const words = await run(admin, command, await right());
    expect(words).toMatchObject({ code: 0, out: expect.stringMatching(shows) });
    const json = await run(admin, command, [...(await right()), '--json']);
    expect(json.code).toBe(0);
    expect(JSON.parse(json.out)).toEqual(expect.any(Object));
  });

  test('is refused: exit code 1 and why', async () => {
    const area = command.startsWith('audit') ? narrow.users : narrow.audit;
    if (command !== 'status') {
      const unscoped = await run(area, command, await right());
      expect(unscoped).toMatchObject({ code: 1, out: '', err: expect.stringContaining('takes the scope admin:') });
    }
    if (refused) {
      const answer = await run(admin, command, await refused());
      expect(answer).toMatchObject({ code: 1, out: '' });
      expect(answer.err).toMatch(/^portcullis: .+\.?\n$/);
      const json = await run(admin, command, [...(await refused()), '--json']);
      expect(JSON.parse(json.err)).toMatchObject({ status: expect.any(Number), title: expect.any(String) });
    }
  });

  test('is used wrongly: exit code 2', async () => {
    const answer = await run(admin, command, wrong);
    expect(answer).toMatchObject({ code: 2, out: '' });
    expect(answer.err).not.toBe('');
  });

  test('does not reach the server: exit code 3', async () => {
    const answer = await run(lost, command, await right());
    expect(answer).toMatchObject({ code: 3, out: '', err: expect.stringContaining('No answer from') });
  });

  test('has help of its own', async () => {
    const { code, out } = await run(admin, command, ['--help']);
    expect(code).toBe(0);
    expect(out).toContain(`Usage: portcullis ${command}`);
    expect(out).toContain('--json');
    expect(out).not.toContain('undefined');
  });
});

test('it says which version it is, before anybody has signed in', async () => {
  const stranger = createCommandLine();
  for (const flag of ['--version', '-V'])
    expect(await stranger.run([flag])).toEqual({ code: 0, out: expect.stringMatching(/^\d+\.\d+\.\d+\n$/), err: '' });
  stranger.remove();
});

test('every command has a row here', async () => {
  const listed = async (args: string[]) => {
    const { out } = await admin.run([...args, '--help']);
    const [commands = ''] = (out.split('\nCommands:\n')[1] ?? '').split('\n\n');
    return [...commands.matchAll(/^ {2}([a-z-]+)/gm)].map(([, name]) => name ?? '').filter((name) => name !== 'help');
  };
  const names: string[] = [];
  for (const group of await listed([])) {
    const inner = await listed([group]);
    names.push(...(inner.length > 0 ? inner.map((name) => `${group} ${name}`) : [group]));
  }
  // These have tests of their own.
  const elsewhere = ['login', 'logout', 'completion'];
  expect(names.sort()).toEqual([...ROWS.map(({ command }) => command), ...elsewhere].sort());
});

describe('what commands do', () => {
  test('asks before something is destroyed, and a no does nothing', async () => {
    const client = await aClient();
    const no = await admin.run(['clients', 'delete', client], { answers: ['n'] });
    expect(no).toMatchObject({ code: 1, err: expect.stringContaining('Nothing was done') });
    expect((await admin.run(['clients', 'show', client])).code).toBe(0);
    const yes = await admin.run(['clients', 'delete', client], { answers: ['y'] });
    expect(yes.code).toBe(0);
    expect((await admin.run(['clients', 'show', client])).code).toBe(1);
  });

  test('the last administrator stays one', async () => {
    for (const args of [
      ['users', 'disable', OWNER.email, '--yes'],
      ['users', 'update', OWNER.email, '--role', 'lead'],
    ]) {
      expect(await admin.run(args)).toMatchObject({ code: 1, err: expect.stringContaining('last administrator') });
    }
    expect((await admin.run(['status'])).out).toContain('admin lead');
  });

  test('a password comes from standard input, and signs in', async () => {
    const email = `${unique()}@example.com`;
    const weak = await admin.run(['users', 'add', '--email', email, '--role', 'agent', '--password-stdin'], {
      input: 'short\n',
    });
    expect(weak.code).toBe(1);
    const password = 'a heron on the weir';
    const added = await admin.run(['users', 'add', '--email', email, '--role', 'agent', '--password-stdin'], {
      input: `${password}\n`,
    });
    expect(added).toMatchObject({ code: 0 });
    expect(added.out).not.toContain('password link');
    const client = await registerClient(target);
    const person = createHttpPerson();
    const { url } = authorizationRequest(target, client);
    expect((await person.authorize(url, { email, password })).searchParams.get('code')).not.toBeNull();
  });

  test('every change is in the audit trail, with who made it, and a refused one as refused', async () => {
    const client = await aClient();
    await admin.run(['clients', 'disable', client, '--yes']);
    const { out } = await admin.run(['audit', 'search', '--client', client, '--json']);
    const [event] = JSON.parse(out).items;
    expect(event).toMatchObject({
      type: 'client.disabled',
      outcome: 'success',
      client,
      correlationId: expect.any(String),
      detail: { through: 'portcullis-cli' },
    });
    await admin.run(['users', 'enable', 'nobody']);
    const refused = await admin.run(['audit', 'search', '--type', 'admin.refused', '--limit', '1', '--json']);
    expect(JSON.parse(refused.out).items[0]).toMatchObject({ outcome: 'denied', detail: { operation: 'enableUser' } });
  });

  test('a change that cannot be recorded is not made', async () => {
    const client = await aClient();
    await server.database.prisma.$executeRawUnsafe('ALTER TABLE "AuditEvent" RENAME TO "AuditEventAway"');
    try {
      const answer = await admin.run(['clients', 'delete', client, '--yes']);
      expect(answer).toMatchObject({ code: 1, err: expect.stringContaining('Nothing was changed') });
    } finally {
      await server.database.prisma.$executeRawUnsafe('ALTER TABLE "AuditEventAway" RENAME TO "AuditEvent"');
    }
    expect((await admin.run(['clients', 'show', client])).code).toBe(0);
  });

  test('lists are read page by page', async () => {
    for (let i = 0; i < 5; i++) await aUser();
    const emails = async (args: string[]) =>
      JSON.parse((await admin.run(['users', 'list', '--json', ...args])).out).items.map(
        ({ email }: { email: string }) => email,
      );
    const all = await emails(['--limit', '1000']);
    expect(all).toEqual([...new Set(all)].sort());
    expect(await emails(['--limit', '3'])).toEqual(all.slice(0, 3));
    const truncated = await admin.run(['users', 'list', '--limit', '3']);
    expect(truncated.err).toContain('There are more');
  });

  test('names from strangers cannot steer the terminal', async () => {
    const { id } = await registerClient(target, { client_name: 'Nice \u001b[2J\u202e\u009b app' });
    const words = await admin.run(['clients', 'show', id]);
    expect(words.out.replaceAll('\n', '')).not.toMatch(/[\p{Cc}\p{Cf}]/u);
    const json = await admin.run(['clients', 'show', id, '--json']);
    expect(json.out.replaceAll('\n', '')).not.toMatch(/[\p{Cc}\p{Cf}]/u);
    expect(JSON.parse(json.out).client.id).toBe(id);
  });

  test('a secret is rotated with an overlap: both work, then the new one alone', async () => {
    const clients = createClientStore(server.database);
    const client = await aClient({ secret: 'the one before' });
    const { out } = await admin.run(['clients', 'rotate-secret', client, '--overlap', '1h', '--yes', '--json']);
    const { clientSecret } = JSON.parse(out);
    const holds = (secret: string, now: Date) => clients.holdsSecret({ id: client, secret, now });
    const later = new Date(Date.now() + 3_601_000);
    expect(await holds('the one before', new Date())).toBe(true);
    expect(await holds(clientSecret, new Date())).toBe(true);
    expect(await holds('the one before', later)).toBe(false);
    expect(await holds(clientSecret, later)).toBe(true);
  });
});

test.each([
  [['clients', 'register', '--name', '', '--redirect-uri', 'https://portal.example/cb'], '--name: must not be empty.'],
  [['clients', 'register', '--name', 'x'.repeat(300), '--redirect-uri', 'https://portal.example/cb'], 'at most.'],
  [['tokens', 'issue', '--name', 'editor', '--scope', 'desk:read', '--days', '366'], '--days: must be 365 or less.'],
])('what is too small or too large is named in plain words', async (args, words) => {
  expect(await admin.run(args)).toMatchObject({ code: 1, err: expect.stringContaining(words) });
});

test('a search for a type that no record has says which there are', async () => {
  const search = (type: string) => admin.run(['audit', 'search', '--type', type]);
  expect(await search('user.sign_in')).toMatchObject({ code: 0, err: expect.stringMatching(/user\.signed_in/) });
  expect(await search('database.restored')).toMatchObject({ code: 0, err: 'Nothing was found.\n' });
});

describe('keys that sign tokens', () => {
  test('rotating is refused, with the time, while the next key is new, and nothing happens', async () => {
    await admin.run(['keys', 'rotate', '--yes', '--force']);
    const states = async () => JSON.parse((await admin.run(['keys', 'list', '--json'])).out).items;
    const before = await states();
    const refused = await admin.run(['keys', 'rotate', '--yes']);
    expect(refused).toMatchObject({ code: 1, err: expect.stringMatching(/not know it before \d{4}-[\d:T-]+Z.*force/) });
    expect(await states()).toEqual(before);
    // A young key does no harm once it is old enough.
    await server.database.prisma.signingKey.updateMany({ data: { createdAt: new Date(Date.now() - 3_601_000) } });
    await server.keepKeys();
    expect((await admin.run(['keys', 'rotate', '--yes'])).code).toBe(0);
    const { out } = await admin.run(['audit', 'search', '--type', 'key.rotated', '--limit', '1', '--json']);
    expect(JSON.parse(out).items[0]).toMatchObject({ outcome: 'success', detail: { forced: false } });
  });

  test('a key that is retired takes its tokens with it, and who is signed in does not notice', async () => {
    const [active] = JSON.parse((await admin.run(['keys', 'list', '--json'])).out).items.filter(
      ({ state }: { state: string }) => state === 'active',
    );
    const old = await adminTokens(target);
    expect(readToken(old.access).header.kid).toBe(active.kid);
    const { out } = await admin.run(['keys', 'retire', active.kid, '--yes', '--json']);
    expect(JSON.parse(out)).toMatchObject({ key: { kid: active.kid, state: 'retired' }, active: { state: 'active' } });
    expect(await callAdmin(server.issuer, { token: old.access, path: '/status' })).toMatchObject({ status: 401 });
    expect(await callAdmin(server.issuer, { token: old.access, path: '/keys' })).toMatchObject({ status: 401 });
    expect((await admin.run(['keys', 'list'])).out).toMatch(new RegExp(`retired .* until .*${active.kid}`));
    expect(await admin.run(['keys', 'retire', active.kid, '--yes'])).toMatchObject({
      code: 1,
      err: expect.stringContaining('retired already'),
    });
  });

  test('of eight rotations at once one is made', async () => {
    const { access } = await adminTokens(target);
    await server.database.prisma.signingKey.updateMany({ data: { createdAt: new Date(Date.now() - 3_601_000) } });
    await server.keepKeys();
    const rotate = () => callAdmin(server.issuer, { token: access, method: 'POST', path: '/keys/rotate', body: {} });
    const answers = await Promise.all(Array.from({ length: 8 }, rotate));
    expect(answers.map(({ status }) => status).sort()).toEqual([200, ...Array(7).fill(409)]);
  });

  test('eight who rotate and retire at once leave one active key, published, and one after it', async () => {
    const { access } = await adminTokens(target);
    // The key that signed this token is not among those that go.
    await admin.run(['keys', 'rotate', '--force', '--yes']);
    const send = (path: string) => callAdmin(server.issuer, { token: access, method: 'POST', path, body: {} });
    const states = async (): Promise<{ kid: string; state: string }[]> =>
      JSON.parse((await admin.run(['keys', 'list', '--json'])).out).items;
    const kidsIn = async (state: string) => (await states()).filter((key) => key.state === state).map(({ kid }) => kid);
    const [active, next] = [...(await kidsIn('active')), ...(await kidsIn('next'))];
    const paths = ['/keys/rotate', `/keys/${active}/retire`, `/keys/${next}/retire`];
    const answers = await Promise.all(Array.from({ length: 8 }, (_, i) => send(paths[i % 3] ?? '')));
    expect(answers.filter(({ status }) => status !== 200 && status !== 409)).toEqual([]);
    await server.keepKeys();
    const [signing, ...others] = await kidsIn('active');
    expect(others).toEqual([]);
    expect(await kidsIn('next')).toHaveLength(1);
    const { keys } = JSON.parse((await sendRaw(new URL(`${server.issuer}/jwks`))).text);
    expect(keys[0].kid).toBe(signing);
    expect(keys.map(({ kid }: { kid: string }) => kid)).not.toContain(active);
  });

  test('no answer and no table holds a private key', async () => {
    const { out } = await admin.run(['keys', 'list', '--limit', '200', '--json']);
    const { keys } = await createSigningKeyStore(server.database, createEnvelope(MASTER_KEY)).load();
    expect(keys.length).toBeGreaterThanOrEqual(2);
    const tables = dumpText(await dumpDatabase(database.url));
    for (const { jwk, kid } of keys) {
      expect(out).toContain(kid);
      expect(out + tables).not.toContain(String(jwk.d));
    }
  });
});

describe('clients with limits', () => {
  test('a client registered for one scope may ask for no other', async () => {
    const redirectUri = 'https://portal.example/callback';
    const { out } = await admin.run([
      ...['clients', 'register', '--name', 'Reader', '--redirect-uri', redirectUri, '--scope', 'desk:read', '--json'],
    ]);
    const client = { id: JSON.parse(out).client.id, secret: undefined, redirectUri };
    const refused = await createHttpPerson().open(authorizationRequest(target, client, { scope: 'desk:write' }).url);
    expect(refused.url.searchParams.get('error')).toBe('invalid_scope');
    const code = await obtainCode(target, client, { person: createHttpPerson() });
    expect((await redeem(target, client, { code })).status).toBe(200);
  });

  test('AS-33: the consent page calls a client unverified, unless it was registered as first-party', async () => {
    const redirectUri = 'https://portal.example/callback';
    const consentPage = async (...more: string[]) => {
      const args = ['clients', 'register', '--name', 'Reader', '--redirect-uri', redirectUri, '--json', ...more];
      const client = { id: JSON.parse((await admin.run(args)).out).client.id, secret: undefined, redirectUri };
      const person = createHttpPerson();
      const page = await person.open(authorizationRequest(target, client).url);
      return (await person.submit(page, { ...OWNER, action: 'login' })).answer.text;
    };
    expect(await consentPage()).toContain('unverified');
    expect(await consentPage('--first-party')).not.toContain('unverified');
  });

  test('a machine that was registered with --admin administers with its key, within its scopes, and ends when disabled', async () => {
    const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const folder = join(admin.credentialsFile, '..');
    const [publicFile, privateFile] = [join(folder, 'public.pem'), join(folder, 'private.pem')];
    writeFileSync(publicFile, publicKey.export({ format: 'pem', type: 'spki' }));
    writeFileSync(privateFile, privateKey.export({ format: 'pem', type: 'pkcs8' }));

    const refused = await admin.run(['clients', 'register', '--name', 'Night', '--admin', '--public-key', publicFile]);
    expect(refused).toMatchObject({ code: 1, err: expect.stringContaining('scopes') });
    const leaked = await admin.run(['clients', 'register', '--name', 'Night', '--admin', '--public-key', privateFile]);
    expect(leaked).toMatchObject({ code: 2, err: expect.stringContaining('private key') });

    const registered = await admin.run([
      ...[
        'clients',
        'register',
        '--name',
        'Night',
        '--admin',
        '--scope',
        'admin:users',
        '--public-key',
        publicFile,
        '--json',
      ],
    ]);
    const { client, clientSecret } = JSON.parse(registered.out);
    expect(clientSecret).toBeUndefined();
    const night = createCommandLine();
    try {
      const config = { issuer: server.issuer, machine: { clientId: client.id, keyFile: privateFile } };
      const status = await night.run(['status', '--json'], { config });
      expect(JSON.parse(status.out)).toMatchObject({ kind: 'client', subject: client.id, scopes: ['admin:users'] });
      expect((await night.run(['users', 'list'], { config })).code).toBe(0);
      expect(await night.run(['audit', 'tail'], { config })).toMatchObject({
        code: 1,
        err: 'portcullis: It takes the scope admin:audit, which this machine was not registered with.\n',
      });
      await admin.run(['clients', 'disable', client.id, '--yes']);
      expect((await night.run(['status'], { config })).code).toBe(1);
    } finally {
      night.remove();
    }
  });

  test('a key that is not there is not called a key of the wrong kind', async () => {
    const machine = { clientId: 'somebody', keyFile: '/nowhere' };
    const answer = await admin.run(['users', 'list'], { config: { issuer: server.issuer, machine } });
    expect(answer).toMatchObject({ code: 2, err: 'portcullis: /nowhere cannot be read.\n' });
  });

  test('half a machine is a mistake, not the person who is signed in', async () => {
    for (const half of [
      { clientId: 'somebody', keyFile: undefined },
      { clientId: undefined, keyFile: '/nowhere' },
    ]) {
      const answer = await admin.run(['users', 'list'], { config: { machine: half } });
      expect(answer).toMatchObject({ code: 2, out: '', err: expect.stringContaining('belong together') });
    }
  });

  test('an id that begins with a hyphen is an id', async () => {
    const [client, grant] = [`-${'a'.repeat(21)}`, `-h${'b'.repeat(41)}`];
    const absent = { code: 1, err: expect.stringContaining('There is no such') };
    expect(await admin.run(['clients', 'show', client])).toMatchObject(absent);
    expect(await admin.run(['clients', 'update', client, '--name', 'X', '--json'])).toMatchObject({ code: 1 });
    expect(await admin.run(['grants', 'revoke', grant, '--yes'])).toMatchObject(absent);
    expect(await admin.run(['grants', 'revoke', '--yes', grant])).toMatchObject(absent);
    expect(await admin.run(['grants', 'list', '--client', client])).toMatchObject({ code: 0 });
    expect(await admin.run(['clients', 'show', '-abc'])).toMatchObject({ code: 2 });
  });

  test('a server that is called by another host says how it is called', async () => {
    const elsewhere = server.issuer.replace('localhost', '127.0.0.1');
    const answer = await admin.run(['login', '--no-browser', '--issuer', elsewhere]);
    expect(answer).toMatchObject({ code: 3, err: expect.stringContaining(`--issuer ${server.issuer}\n`) });
  });

  test('everything that is wrong begins in the same way, and names the option that was typed', async () => {
    for (const args of [
      ['clients', 'show'],
      ['clients', 'list', '--nonsense'],
      ['nonsense'],
      ['grants', 'list', '--limit', 'x'],
      ['users', 'update', 'somebody'],
      ['clients', 'show', 'nobody'],
    ])
      expect((await admin.run(args)).err).toMatch(/^portcullis: /);
    const wrong = ['clients', 'register', '--name', 'Evil', '--redirect-uri', 'javascript:alert(1)'];
    expect((await admin.run([...wrong, '--scope', 'desk:nothing'])).err).toMatch(
      /^portcullis: --redirect-uri: redirect_uris must be .+; --scope: no such scope there: desk:nothing\.\n$/,
    );
  });

  test('what the server says of a member of a list is said of the option, and ends with one full stop', async () => {
    const register = ['clients', 'register', '--name', 'Notes', '--redirect-uri', 'https://notes.example/cb'];
    expect((await admin.run([...register, '--resource', 'nothing'])).err).toMatch(/^portcullis: --resource: /);
    const add = ['users', 'add', '--email', 'brief@example.com', '--role', 'agent', '--password-stdin'];
    const { code, err } = await admin.run(add, { input: 'brief' });
    expect([code, err]).toEqual([1, expect.stringMatching(/^portcullis: --password-stdin: .+[^.]\.\n$/)]);
  });

  test('AS-6: http to another computer is a mistake, and nothing is asked there', async () => {
    for (const args of [['login', '--no-browser'], ['users', 'list'], ['logout']])
      expect(await admin.run([...args, '--issuer', 'http://login.example.com'])).toEqual({
        code: 2,
        out: '',
        err: 'portcullis: http is for this computer alone. Write https://login.example.com\n',
      });
  });

  test('a server that calls itself otherwise is named as it does', async () => {
    const port = await findFreePort();
    const metadata = createServer((_, response) => {
      response.setHeader('content-type', 'application/json').end(JSON.stringify({ issuer: 'https://login.example' }));
    }).listen(port, '127.0.0.1');
    const answer = await admin.run(['login', '--no-browser', '--issuer', `http://127.0.0.1:${port}`]);
    metadata.close();
    expect(answer).toMatchObject({ code: 3, err: expect.stringContaining('--issuer https://login.example\n') });
  });

  test('a machine that is no administrator cannot name administration, nor ask for nothing in particular', async () => {
    const { out } = await admin.run([
      ...[
        'clients',
        'register',
        '--name',
        'Robot',
        '--machine',
        '--scope',
        'desk:read',
        '--resource',
        server.mcpUrl,
        '--json',
      ],
    ]);
    const { client, clientSecret } = JSON.parse(out);
    const ask = (resource: string | undefined, scope?: string) =>
      requestToken(
        target.server,
        { grant_type: 'client_credentials', resource, scope },
        { headers: { authorization: `Basic ${Buffer.from(`${client.id}:${clientSecret}`).toString('base64')}` } },
      );
    expect(await ask(`${server.issuer}/admin`)).toMatchObject({ status: 400, json: { error: 'invalid_target' } });
    expect(await ask(undefined)).toMatchObject({ status: 400, json: { error: 'invalid_target' } });
    expect(await ask(server.mcpUrl, 'desk:admin')).toMatchObject({ status: 400, json: { error: 'invalid_scope' } });
    const granted = await ask(server.mcpUrl, 'desk:read');
    expect(granted).toMatchObject({ status: 200, json: { scope: 'desk:read' } });
    const otherwise = await ask(`${server.mcpUrl}/`, 'desk:read');
    const gidOf = ({ json }: typeof granted) => readToken(String(json?.access_token)).claims.gid;
    expect(gidOf(granted)).toMatch(/^m-/);
    expect(gidOf(otherwise)).toBe(gidOf(granted));
  });
});
