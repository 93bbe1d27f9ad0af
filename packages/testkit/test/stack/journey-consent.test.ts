import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { openDatabase } from '@portcullis/persistence';
import { requestToken } from '../../src/attacker.ts';
import type { HttpPerson, Step } from '../../src/http-person.ts';
import { asks, createHttpPerson, plainText } from '../../src/http-person.ts';
import { sendRaw } from '../../src/raw-request.ts';
import type { PreparedStack } from './support/journey.ts';
import {
  administrator,
  authorizationRequest,
  authorize,
  redeem,
  registered,
  signedIn,
  signIn,
  startPreparedStack,
} from './support/journey.ts';

const webUri = 'https://app.example/callback';
const loopbackUri = 'http://127.0.0.1:33418/callback';
const secureLoopbackUri = 'https://localhost:8443/callback';
const ownSchemeUri = 'com.example.app:/callback';
const all = 'desk:read desk:write desk:admin';

describe('what a person allows, and for how long', () => {
  let stack: PreparedStack;
  /** The administrator's browser, signed in by the first test. */
  const person = createHttpPerson();

  beforeAll(async () => {
    stack = await startPreparedStack({ authorizationServerAlone: true });
  });

  afterAll(() => stack?.stop());

  let clients = 0;

  /** A client of its own for each test, so that nothing is remembered for it yet. */
  const newClient = (...redirectUris: string[]) =>
    registered(stack.server, {
      // The same words would be the same client.
      client_name: `Ticket helper ${++clients}`,
      redirect_uris: redirectUris,
      token_endpoint_auth_method: 'none',
    });

  /** Opens an authorization and stops at the first page. */
  const open = async (clientId: string, redirectUri: string, params: Record<string, string> = {}) => {
    const request = authorizationRequest(stack, { clientId, redirectUri, params });
    let step = await person.open(request.url);
    if (asks(step, 'login')) step = await person.submit(step, { ...administrator, action: 'login' });
    return { ...request, step };
  };

  it('PX-4, PX-6, AS-31: the page says who asks, that nobody vouches for it, for what, and where access goes', async () => {
    const { clientId } = await newClient(webUri);
    const { step } = await open(clientId, webUri, { scope: 'desk:read desk:write' });
    expect(asks(step, 'approve') && asks(step, 'deny')).toBe(true);
    const words = plainText(step.answer.text);
    for (const word of ['Ticket helper', 'unverified', 'app.example', webUri, stack.mcpUrl, administrator.email])
      expect(words).toContain(word);
    expect(words).toContain('Search and read tickets and customers');
    expect(words).toContain('Reply to tickets in your name');
    expect(words).not.toContain('Export customer data');
  });

  it('one browser’s session is stored once for all clients that ask, and holds nothing of those that were allowed', async () => {
    const database = await openDatabase({ url: stack.databases.authorizationServer });
    try {
      const sessions = () =>
        database.prisma.engineRecord.findMany({ where: { model: 'Session', userId: { not: null } } });
      const allowed = async () => {
        const { clientId } = await newClient(webUri);
        await signIn(stack, { clientId, redirectUri: webUri, person });
        const [session, ...others] = await sessions();
        expect(others).toEqual([]);
        return session?.payload ?? '';
      };
      const first = await allowed();
      const second = await allowed();
      expect(second).not.toBe(first);
      expect(second).toHaveLength(first.length);

      const before = await sessions();
      const { clientId } = await newClient(webUri);
      const { step } = await open(clientId, webUri);
      expect(asks(step, 'approve')).toBe(true);
      expect(await sessions()).toEqual(before);
    } finally {
      await database.close();
    }
  });

  it('AS-18: a scope that is left out is not in the token, nor after a refresh, and is asked for again', async () => {
    const { clientId } = await newClient(webUri);
    const authorization = { clientId, redirectUri: webUri, params: { scope: 'desk:read desk:write' }, person };
    const first = await signIn(stack, { ...authorization, decisions: { scopes: ['desk:read'] } });
    expect({ answered: first.scope, signed: first.claims.scope }).toEqual({
      answered: 'desk:read',
      signed: 'desk:read',
    });

    const refresh = (params = {}) =>
      requestToken(stack.server, {
        grant_type: 'refresh_token',
        client_id: clientId,
        refresh_token: first.refreshToken,
        ...params,
      });
    const wider = await refresh({ scope: 'desk:read desk:write' });
    expect({ status: wider.status, error: wider.json?.error }).toEqual({ status: 400, error: 'invalid_scope' });
    expect(signedIn(await refresh()).scope).toBe('desk:read');

    const again = await open(clientId, webUri, authorization.params);
    expect(boxes(again.step)).toEqual({ 'desk:read': true, 'desk:write': true });
    expect(plainText(again.step.answer.text)).toContain('allowed before');
    expect((await signIn(stack, authorization)).scope).toBe('desk:read desk:write');
  });

  it('AS-7: a refusal comes back as access_denied with state and iss, and is not remembered', async () => {
    for (const redirectUri of [webUri, loopbackUri]) {
      const { clientId } = await newClient(redirectUri);
      const { params, state } = await authorize(stack, {
        clientId,
        redirectUri,
        person,
        decisions: { decision: 'deny' },
      });
      expect(Object.fromEntries(params)).toEqual({
        error: 'access_denied',
        error_description: expect.any(String),
        state,
        iss: stack.issuer,
      });
      expect((await signIn(stack, { clientId, redirectUri, person })).scope).toBe('desk:read');
    }
  });

  it('a sensitive scope is not ticked to begin with, and granted only when it is', async () => {
    const { clientId } = await newClient(loopbackUri);
    const { step } = await open(clientId, loopbackUri, { scope: all });
    expect(boxes(step)).toEqual({ 'desk:read': true, 'desk:write': true, 'desk:admin': false });

    const authorization = { clientId, redirectUri: loopbackUri, params: { scope: all }, person };
    expect((await signIn(stack, authorization)).scope).toBe('desk:read desk:write');
    expect((await signIn(stack, { ...authorization, decisions: { scopes: ['desk:admin'] } })).scope).toBe('desk:admin');
  });

  it('allowing nothing is no decision: the page asks again', async () => {
    const { clientId } = await newClient(loopbackUri);
    const { step, state } = await open(clientId, loopbackUri);
    const asked = await person.submit(step, { action: 'approve', scope: [] });
    expect(asked.answer.status).toBe(400);
    expect(asks(asked, 'approve')).toBe(true);
    const done = await person.submit(asked, { action: 'approve', scope: 'desk:read' });
    expect(done.url.searchParams.get('state')).toBe(state);
    expect(done.url.searchParams.has('code')).toBe(true);
  });

  it('SP-16: a web client that was allowed is not asked for again, for the same or less', async () => {
    const { clientId } = await newClient(webUri, `${webUri}/other`);
    const first = await signIn(stack, {
      clientId,
      redirectUri: webUri,
      params: { scope: 'desk:read desk:write' },
      person,
    });

    for (const scope of ['desk:read desk:write', 'desk:read']) {
      const { step, state, verifier } = await open(clientId, webUri, { scope });
      expect({ kind: step.kind, state: step.url.searchParams.get('state') }).toEqual({ kind: 'left', state });
      const callback = { url: step.url, params: step.url.searchParams, state, verifier };
      const next = signedIn(await redeem(stack, { clientId, redirectUri: webUri }, { callback }));
      expect(next.scope).toBe(scope);
      // Tokens of one sign-in share no fate with those of another.
      expect(next.claims.gid).not.toBe(first.claims.gid);
    }
  });

  it('SP-16: more scopes, another redirect URI, another client, prompt=consent: each is asked for', async () => {
    const [{ clientId }, other] = [await newClient(webUri, `${webUri}/other`), await newClient(webUri)];
    await signIn(stack, { clientId, redirectUri: webUri, person });

    const cases = [
      [clientId, webUri, { scope: 'desk:read desk:write' }],
      [clientId, `${webUri}/other`, {}],
      [other.clientId, webUri, {}],
      [clientId, webUri, { prompt: 'consent' }],
    ] as const;
    for (const [id, uri, params] of cases) expect(asks((await open(id, uri, params)).step, 'approve')).toBe(true);
    expect((await open(clientId, webUri)).step.kind).toBe('left');
  });

  it('SP-16: once the client has given its grant back, it has to ask again', async () => {
    const { clientId } = await newClient(webUri);
    const { refreshToken } = await signIn(stack, { clientId, redirectUri: webUri, person });
    expect((await open(clientId, webUri)).step.kind).toBe('left');
    const body = new URLSearchParams({ client_id: clientId, token: String(refreshToken) });
    expect((await sendRaw(`${stack.issuer}/revoke`, { body })).status).toBe(200);
    expect(asks((await open(clientId, webUri)).step, 'approve')).toBe(true);
  });

  it('SP-16: a refusal forgets what was allowed before, at that resource and for that client only', async () => {
    const [{ clientId }, other] = [await newClient(webUri), await newClient(webUri)];
    for (const id of [clientId, other.clientId]) await signIn(stack, { clientId: id, redirectUri: webUri, person });
    const { step } = await open(clientId, webUri, { prompt: 'consent' });
    const end = await person.submit(step, { action: 'deny' });
    expect(end.url.searchParams.get('error')).toBe('access_denied');
    expect(asks((await open(clientId, webUri)).step, 'approve')).toBe(true);
    expect((await open(other.clientId, webUri)).step.kind).toBe('left');
  });

  it.each([loopbackUri, secureLoopbackUri, ownSchemeUri])(
    'PX-14, AS-32: with %s it is asked every time, with the warning',
    async (redirectUri) => {
      const { clientId } = await newClient(redirectUri);
      for (const _ of ['first', 'second']) {
        const { step } = await open(clientId, redirectUri);
        expect(asks(step, 'approve')).toBe(true);
        expect(plainText(step.answer.text)).toContain('Did you start this yourself?');
        expect((await person.submit(step, { action: 'approve' })).url.searchParams.has('code')).toBe(true);
      }
    },
  );

  it('two sign-ins in two tabs, one of them loaded twice, both end well', async () => {
    const clients = [await newClient(loopbackUri), await newClient(ownSchemeUri)] as const;
    const first = await open(clients[0].clientId, loopbackUri);
    const second = await open(clients[1].clientId, ownSchemeUri);
    await person.open(first.step.url);

    const ends = [await person.submit(first.step, approve), await person.submit(second.step, approve)];
    expect(ends.map(({ url }) => url.searchParams.get('state'))).toEqual([first.state, second.state]);
    expect(ends.map(({ url }) => url.protocol)).toEqual(['http:', 'com.example.app:']);
  });

  it('PX-2: what one person allowed, another is asked for', async () => {
    const { clientId } = await newClient(webUri);
    await signIn(stack, { clientId, redirectUri: webUri, person });
    const ending = await askingOf(
      createHttpPerson(),
      authorizationRequest(stack, { clientId, redirectUri: webUri }).url,
    );
    expect(ending).toBe('login');
  });
});

const approve = { action: 'approve' };

/** Each scope's box and whether it is ticked. */
function boxes(step: Step): Record<string, boolean> {
  const checkboxes = step.kind === 'page' ? step.forms.flatMap((form) => form.checkboxes) : [];
  return Object.fromEntries(checkboxes.map(({ value, isTicked }) => [value, isTicked]));
}

async function askingOf(person: HttpPerson, url: URL): Promise<string | undefined> {
  const step = await person.open(url);
  return ['login', 'approve'].find((action) => asks(step, action));
}
