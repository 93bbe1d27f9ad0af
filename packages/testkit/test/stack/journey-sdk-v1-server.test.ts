import { readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { findFreePort } from '@portcullis/test-database';
import { bearer, callMcp, readToken } from '../../src/attacker.ts';
import type { ClientApplication } from '../../src/clients/client-application.ts';
import { createSdkV1Client } from '../../src/clients/sdk-v1-client.ts';
import { createSdkV2Client } from '../../src/clients/sdk-v2-client.ts';
import { asks, createHttpPerson, plainText } from '../../src/http-person.ts';
import { pollUntil } from '../../src/poll.ts';
import type { ServerProcess } from '../../src/server-process.ts';
import { startServerProcess } from '../../src/server-process.ts';
import type { PreparedStack } from './support/journey.ts';
import { authorizationRequest, openAs, registered, signIn, startPreparedStack } from './support/journey.ts';

const example = new URL('../../../../examples/sdk-v1-server/', import.meta.url);
const webUri = 'https://app.example/callback';

/** Another desk, whose scope has the same name; nobody listens there. */
const twinUrl = 'http://localhost:1/mcp';
const twin = {
  name: 'Other desk',
  scopes: { 'desk:read': { description: 'Read at the other desk' } },
  defaultScopes: ['desk:read'],
};

describe('the example server on SDK v1, as a second resource', () => {
  let stack: PreparedStack;
  let notes: ServerProcess;
  let notesUrl: string;
  let configFile: string;
  const person = createHttpPerson();
  const applications: ClientApplication[] = [];

  beforeAll(async () => {
    const port = await findFreePort();
    notesUrl = `http://localhost:${port}/mcp`;
    // The example's own configuration, at another port.
    const config = await readFile(new URL('portcullis.config.json', example), 'utf8');
    configFile = path.join(tmpdir(), `portcullis-notes-${port}.json`);
    const { resources, ...rest } = JSON.parse(config.replaceAll('http://localhost:4002/mcp', notesUrl));
    await writeFile(configFile, JSON.stringify({ ...rest, resources: { ...resources, [twinUrl]: twin } }));
    stack = await startPreparedStack({ authorizationServer: { PORTCULLIS_CONFIG: configFile } });
    notes = startServerProcess(new URL('dist/main.js', example), stack.trust, [stack.issuer, notesUrl]);
    await pollUntil(async () => (await callMcp(notesUrl)).status === 401, { what: 'the example server' });
  });

  afterEach(async () => {
    await Promise.all(applications.splice(0).map((application) => application.close()));
  });

  afterAll(async () => {
    await notes?.kill();
    await stack?.stop();
    await rm(configFile);
  });

  it.each([
    ['SDK v1', createSdkV1Client],
    ['SDK v2', createSdkV2Client],
  ])('%s signs in from the bare URL, calls a tool, refreshes and calls again', async (_name, create) => {
    const application = await create({ mcpUrl: notesUrl, openInBrowser: openAs(person) });
    applications.push(application);
    await application.connect();
    expect(await application.listTools()).toEqual(['list_notes']);
    expect(await application.callTool('list_notes')).toMatchObject({ isError: false, text: 'No notes yet.' });

    application.spoilAccessToken();
    expect(await application.callTool('list_notes')).toMatchObject({ text: 'No notes yet.' });
    expect(application.stored.tokens.map(({ access_token }) => readToken(access_token).claims)).toEqual([
      expect.objectContaining({ aud: notesUrl, scope: 'notes:read' }),
      expect.objectContaining({ aud: notesUrl, scope: 'notes:read' }),
    ]);
  });

  it('RS-24: a token of one resource is refused at the other', async () => {
    const { clientId } = await newClient();
    const own = { notes: { resource: notesUrl, scope: 'notes:read' }, desk: { scope: 'desk:read' } };
    const forNotes = await signIn(asResource(notesUrl), { clientId, redirectUri: webUri, person, params: own.notes });
    const forDesk = await signIn(stack, { clientId, redirectUri: webUri, person, params: own.desk });

    const answers = await Promise.all(
      [forNotes, forDesk].flatMap(({ accessToken }) =>
        [notesUrl, stack.mcpUrl].map((url) => callMcp(url, { headers: bearer(accessToken) })),
      ),
    );
    expect(answers.map(({ status }) => status)).toEqual([200, 401, 401, 200]);
    for (const refused of [answers[1], answers[2]])
      expect(refused?.headers['www-authenticate']).toContain('error="invalid_token"');
  });

  it('SP-16: what was allowed at one resource is asked for at the other, with its own name and words', async () => {
    const { clientId } = await newClient();
    await signIn(stack, { clientId, redirectUri: webUri, person });
    const params = { scope: 'notes:read notes:write desk:read' };
    const asked = await person.open(
      authorizationRequest(asResource(notesUrl), { clientId, redirectUri: webUri, params }).url,
    );
    expect(asks(asked, 'approve')).toBe(true);
    const words = plainText(asked.answer.text);
    for (const word of ['Notes', notesUrl, 'Read your notes', 'Add notes in your name']) expect(words).toContain(word);
    // A scope of another resource is no scope here.
    expect(words).not.toContain('desk:read');

    const atTwin = authorizationRequest(asResource(twinUrl), { clientId, redirectUri: webUri }).url;
    expect(asks(await person.open(atTwin), 'approve')).toBe(true);
    expect((await person.open(authorizationRequest(stack, { clientId, redirectUri: webUri }).url)).kind).toBe('left');
  });

  it('a client that may write does, and the note is there for every client of the same person', async () => {
    const { clientId } = await newClient();
    const params = { scope: 'notes:read notes:write' };
    const { accessToken } = await signIn(asResource(notesUrl), { clientId, redirectUri: webUri, person, params });
    const added = await callTool(accessToken, 'add_note', { text: 'Water the ferns' });
    expect(added.json).toMatchObject({ result: { content: [{ text: 'Noted.' }] } });

    const reader = await createSdkV1Client({ mcpUrl: notesUrl, openInBrowser: openAs(person) });
    applications.push(reader);
    await reader.connect();
    expect((await reader.callTool('list_notes')).text).toBe('Water the ferns');
    await expect(reader.callTool('add_note', { text: 'no' })).resolves.toMatchObject({ isError: true });
  });

  it('SP-40: broken JSON gets no stack', async () => {
    const answer = await callMcp(notesUrl, { body: '{' });
    expect({ status: answer.status, json: answer.json }).toEqual({ status: 400, json: { error: 'invalid_request' } });
  });

  const asResource = (mcpUrl: string): PreparedStack => ({ ...stack, mcpUrl });

  const newClient = () =>
    registered(stack.server, {
      client_name: 'Note taker',
      redirect_uris: [webUri],
      token_endpoint_auth_method: 'none',
    });

  const callTool = (accessToken: string, name: string, args: Record<string, unknown>) =>
    callMcp(notesUrl, {
      headers: { ...bearer(accessToken), 'mcp-protocol-version': '2025-11-25' },
      body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name, arguments: args } }),
    });
});
