import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { createTestDatabase, type TestDatabase } from '@portcullis/test-database';
import type { ClientApplication, Stack } from '../../src/index.ts';
import {
  asks,
  callMcp,
  createHttpPerson,
  createSdkV1Client,
  createSdkV2Client,
  findFreePort,
  plainText,
  pollUntil,
  readToken,
  requestToken,
  sendRaw,
  startStack,
} from '../../src/index.ts';
import { type ServerProcess, startServerProcess } from '../../src/server-process.ts';
import { adminTokens } from './support/administration.ts';
import {
  authorizationRequest,
  obtainCode,
  redeem,
  registerClient,
  shownError,
  type Target,
  targetOf,
  tokensOf,
} from './support/authorization.ts';
import { type CommandLine, createCommandLine } from './support/command-line.ts';
import { type InProcess, startInProcess } from './support/in-process.ts';
import { OWNER, OWNER_ENV } from './support/owner.ts';
import { type Replica, startReplica } from './support/replica.ts';
import { addedResource, notesAt, resourceAdministration } from './support/resources.ts';

const WEB = 'https://app.example/callback';
const EXAMPLE = new URL('../../../../examples/sdk-v1-server/dist/main.js', import.meta.url);

describe('a server of one’s own, protected by the command line alone', () => {
  let stack: Stack;
  let target: Target;
  let admin: CommandLine;
  let notes: ServerProcess;
  let notesUrl: string;
  const person = createHttpPerson();
  const applications: ClientApplication[] = [];

  beforeAll(async () => {
    stack = await startStack({ authorizationServer: OWNER_ENV });
    target = await targetOf(stack);
    notesUrl = `http://localhost:${await findFreePort()}/mcp`;
    notes = startServerProcess(EXAMPLE, stack.trust, [stack.issuer, notesUrl]);
    await pollUntil(async () => (await callMcp(notesUrl)).status === 401, { what: 'the example server' });
    admin = createCommandLine();
    admin.signIn(stack.issuer, await adminTokens(target));
  });

  afterEach(async () => {
    await Promise.all(applications.splice(0).map((application) => application.close()));
  });

  afterAll(async () => {
    admin?.remove();
    await notes?.kill();
    await stack?.stop();
  });

  const add = () =>
    admin.run([
      ...['resources', 'add', notesUrl, '--name', 'Notes', '--role', 'lead', '--role', 'agent=notes:read'],
      ...['--scope', 'notes:read=Read your notes', '--scope', 'notes:write=Add notes in your name'],
      ...['--sensitive', 'notes:write'],
    ]);

  test('AS-14: before it is added, its clients are told that nobody knows it', async () => {
    const client = await registerClient(target, { client_name: 'Early' });
    const { url } = authorizationRequest(target, client, { resource: notesUrl, scope: 'notes:read' });
    const refused = shownError((await createHttpPerson().open(url)).answer)?.searchParams;
    expect(refused?.get('error')).toBe('invalid_target');
    expect(refused?.get('error_description')).toContain(stack.mcpUrl);
  });

  test('adding it shows its client and what to write in the server, once', async () => {
    const { code, out } = await add();
    expect({ code, out }).toMatchObject({ code: 0, out: expect.stringContaining(`resource         ${notesUrl}`) });
    expect(out).toMatch(/roles +lead \(notes:read notes:write\), agent \(notes:read\)/);
    expect(out).toContain("import { createGuard } from '@portcullis/guard';");
    expect(out).toContain(`createGuard({\n    ...{"issuer":"${stack.issuer}","resource":"${notesUrl}"`);
    const [, clientId = '', secret = ''] = /client_id +(\S+)\nclient_secret +(\S+)\n/.exec(out) ?? [];
    const listed = await admin.run(['resources', 'list']);
    expect(listed.out).toContain(clientId);
    expect(listed.out).not.toContain(secret);
    expect((await admin.run(['clients', 'show', clientId])).out).toMatch(new RegExp(`server of +${notesUrl}\n`));
    expect(await add()).toMatchObject({ code: 1, err: expect.stringContaining('already') });
  });

  test.each([
    ['SDK v1', createSdkV1Client],
    ['SDK v2', createSdkV2Client],
  ])('%s signs in from the bare URL, calls a tool, refreshes and calls again', async (_name, create) => {
    const application = await create({
      mcpUrl: notesUrl,
      openInBrowser: async (url) => fetch(await person.authorize(url, OWNER)),
    });
    applications.push(application);
    await application.connect();
    expect(await application.callTool('list_notes')).toMatchObject({ isError: false, text: 'No notes yet.' });
    application.spoilAccessToken();
    expect(await application.callTool('list_notes')).toMatchObject({ text: 'No notes yet.' });
    expect(application.stored.tokens.map(({ access_token }) => readToken(access_token).claims)).toEqual([
      expect.objectContaining({ aud: notesUrl, scope: 'notes:read' }),
      expect.objectContaining({ aud: notesUrl, scope: 'notes:read' }),
    ]);
  });

  test('the consent page shows it in its words, and a sensitive scope is not ticked', async () => {
    const client = await registerClient(target, { client_name: 'Curious' });
    const step = await person.open(
      authorizationRequest(target, client, { resource: notesUrl, scope: 'notes:read notes:write' }).url,
    );
    const words = plainText(step.answer.text);
    for (const word of ['Notes', notesUrl, 'Read your notes', 'Add notes in your name']) expect(words).toContain(word);
    expect(step.answer.text).toMatch(/value="notes:read"[^>]* checked/);
    expect(step.answer.text).not.toMatch(/value="notes:write"[^>]* checked/);
  });

  test('the metadata of the server names its scopes, and registrations may', async () => {
    const metadata = await (await fetch(`${stack.issuer}/.well-known/oauth-authorization-server`)).json();
    expect(metadata.scopes_supported).toEqual(expect.arrayContaining(['desk:read', 'notes:read', 'notes:write']));
  });

  test('SP-16: once it was removed nobody signs in, and added again it is asked for again', async () => {
    const client = await registerClient(target, { client_name: 'Remembered', redirect_uris: [WEB] });
    const at = { ...target, mcpUrl: notesUrl };
    const signIn = async () => {
      const code = await obtainCode(at, client, { person, changes: { scope: 'notes:read' } });
      return tokensOf(await redeem(at, client, { code }));
    };
    const { refresh } = await signIn();
    const { url } = authorizationRequest(at, client, { scope: 'notes:read' });
    expect(asks(await person.open(url), 'approve')).toBe(false);

    const removed = await admin.run(['resources', 'remove', notesUrl, '--yes']);
    expect(removed).toMatchObject({ code: 0, out: expect.stringMatching(/Removed Notes; grants ended: [1-9]/) });
    const ask = { grant_type: 'refresh_token', client_id: client.id, refresh_token: refresh };
    expect((await requestToken(target.server, ask)).json?.error).toBe('invalid_grant');
    expect((await person.open(url)).url.searchParams.get('error')).toBe('invalid_target');

    expect((await add()).code).toBe(0);
    expect(asks(await person.open(url), 'approve')).toBe(true);
    expect((await requestToken(target.server, ask)).json?.error).toBe('invalid_grant');
    await signIn();
  });
});

describe('two replicas on one database', () => {
  let testDatabase: TestDatabase | undefined;
  let first: InProcess | Stack;
  let second: InProcess | Replica;
  let target: Target;

  beforeAll(async () => {
    if (globalThis.portcullisTestDatabase === 'postgresql') {
      // Two processes, each with a data folder of its own, as behind a load balancer.
      const stack = await startStack({
        authorizationServer: { ...OWNER_ENV, PORTCULLIS_MASTER_KEY: Buffer.alloc(32, 7).toString('base64url') },
      });
      first = stack;
      second = await startReplica(stack);
    } else {
      // A second process on the same SQLite folder is refused; two connections stand in for it.
      testDatabase = await createTestDatabase();
      const one = await startInProcess({ databaseUrl: testDatabase.url, env: OWNER_ENV });
      first = one;
      second = await startInProcess({ databaseUrl: testDatabase.url, issuer: one.issuer });
    }
    target = await targetOf(first);
  });
  afterAll(async () => {
    if (second) await ('close' in second ? second.close() : second.stop());
    if (first) await ('close' in first ? first.close() : first.stop());
    await testDatabase?.drop();
  });

  test('what one adds or removes holds on the other at once', async () => {
    const { access } = await adminTokens(target);
    const admin = resourceAdministration(target.server.issuer, access);
    const { host } = new URL(target.server.issuer);
    const there = `http://localhost:${second.port}`;
    const client = await registerClient(target);
    const scopesThere = async () => {
      const { text } = await sendRaw(`${there}/.well-known/oauth-authorization-server`, { headers: { host } });
      return JSON.parse(text).scopes_supported;
    };
    const openThere = (at: Target) => {
      const { url } = authorizationRequest(at, client, { scope: 'notes:read' });
      return createHttpPerson({ headers: { host } }).open(Object.assign(url, { protocol: 'http:', port: second.port }));
    };
    for (let round = 0; round < 3; round++) {
      const { url } = addedResource(await admin.add(notesAt()));
      const at = { ...target, mcpUrl: url };
      expect(await scopesThere()).toContain('notes:read');
      expect((await openThere(at)).url.pathname).toMatch(/^\/interaction\//);

      const code = await obtainCode(at, client, { person: createHttpPerson(), changes: { scope: 'notes:read' } });
      const { refresh } = tokensOf(await redeem(at, client, { code }));
      const endpoint = { ...target.server, token_endpoint: `${there}/token` };
      const ask = (token: string) =>
        requestToken(
          endpoint,
          { grant_type: 'refresh_token', client_id: client.id, refresh_token: token, resource: url },
          { headers: { host } },
        );
      const { refresh: next } = tokensOf(await ask(refresh));
      expect((await admin.remove(url)).status).toBe(200);
      expect(await ask(next)).toMatchObject({ status: 400, json: { error: 'invalid_target' } });
      expect(shownError((await openThere(at)).answer)?.searchParams.get('error')).toBe('invalid_target');
      expect(await scopesThere()).not.toContain('notes:read');
    }
  });
});
