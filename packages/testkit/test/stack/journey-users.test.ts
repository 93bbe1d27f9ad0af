import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { requestToken } from '../../src/attacker.ts';
import { asks, createHttpPerson, plainText } from '../../src/http-person.ts';
import type { DeskUsers } from './support/desk-users.ts';
import { openDeskUsers } from './support/desk-users.ts';
import type { PreparedStack } from './support/journey.ts';
import { authorizationRequest, authorize, registered, signIn, startPreparedStack } from './support/journey.ts';

const redirectUri = 'http://127.0.0.1:33418/callback';
const webUri = 'https://app.example/callback';
const password = 'a wren in the hedge';

describe('users other than the first', () => {
  let stack: PreparedStack;
  let users: DeskUsers;
  let clientId: string;
  /** A client whose decisions are remembered. */
  let webClientId: string;

  beforeAll(async () => {
    stack = await startPreparedStack({ authorizationServerAlone: true });
    users = await openDeskUsers(stack);
    const metadata = { client_name: 'Ticket helper', token_endpoint_auth_method: 'none' };
    ({ clientId } = await registered(stack.server, { ...metadata, redirect_uris: [redirectUri] }));
    ({ clientId: webClientId } = await registered(stack.server, { ...metadata, redirect_uris: [webUri] }));
  });

  afterAll(async () => {
    await users?.close();
    await stack?.stop();
  });

  /** Invites somebody, who sets `password` with the link. */
  const join = async (email: string, roles: readonly string[]) => {
    const { userId, link } = await users.invite(email, roles);
    const person = createHttpPerson();
    const done = await person.submit(await person.open(link), { password });
    expect(done.answer.status).toBe(200);
    return { userId, decisions: { email, password } };
  };

  it('a one-time link sets a password, once, and stands in no address bar', async () => {
    const { userId, link } = await users.invite('grace@example.com', ['agent']);
    const person = createHttpPerson();
    const page = await person.open(link);
    expect(page.url.href).toBe(`${stack.issuer}/password`);
    expect(page.answer.headers['referrer-policy']).toBe('no-referrer');
    expect(plainText(page.answer.text)).toContain('grace@example.com');

    const refused = await person.submit(page, { password: 'short' });
    expect(refused.answer.status).toBe(400);
    const done = await person.submit(refused, { password });
    expect({ status: done.answer.status, forms: done.kind === 'page' && done.forms }).toEqual({
      status: 200,
      forms: [],
    });
    expect((await createHttpPerson().open(link)).answer.status).toBe(410);

    const decisions = { email: 'grace@example.com', password };
    const { claims } = await signIn(stack, { clientId, redirectUri, decisions });
    expect(claims).toMatchObject({ sub: userId, roles: ['agent'] });

    const reset = createHttpPerson();
    const another = await reset.open(await users.passwordLink(userId));
    await reset.submit(another, { password: `${password} again` });
    await expect(authorize(stack, { clientId, redirectUri, decisions })).rejects.toThrow('That did not work');
    await signIn(stack, { clientId, redirectUri, decisions: { ...decisions, password: `${password} again` } });
  });

  it('SP-25: an agent is offered what the role permits, and gets no more by asking or by forging the form', async () => {
    const { decisions } = await join('alan@example.com', ['agent']);
    const person = createHttpPerson();
    const authorization = { clientId, redirectUri, person, decisions, params: { scope: 'desk:read desk:admin' } };
    const { url } = authorizationRequest(stack, authorization);
    const page = await person.submit(await person.open(url), { ...decisions, action: 'login' });
    expect(
      page.kind === 'page' && page.forms.flatMap(({ checkboxes }) => checkboxes.map(({ value }) => value)),
    ).toEqual(['desk:read']);

    const forged = { ...authorization, decisions: { ...decisions, scopes: ['desk:read', 'desk:admin'] } };
    const { scope, claims } = await signIn(stack, forged);
    expect({ scope, signed: claims.scope, roles: claims.roles }).toEqual({
      scope: 'desk:read',
      signed: 'desk:read',
      roles: ['agent'],
    });

    const nothing = await authorize(stack, { ...authorization, params: { scope: 'desk:admin' } });
    expect(Object.fromEntries(nothing.params)).toMatchObject({
      error: 'access_denied',
      state: nothing.state,
      iss: stack.issuer,
    });
  });

  it('PX-2: a decision is remembered for the person who took it', async () => {
    const [first, second] = [await join('barbara@example.com', ['agent']), await join('edsger@example.com', ['agent'])];
    await signIn(stack, { clientId: webClientId, redirectUri: webUri, decisions: first.decisions });
    const person = createHttpPerson();
    const page = await person.open(authorizationRequest(stack, { clientId: webClientId, redirectUri: webUri }).url);
    expect(asks(await person.submit(page, { ...second.decisions, action: 'login' }), 'approve')).toBe(true);
  });

  it('a role that is taken away narrows the next token; a disabled user gets none, nor signs in', async () => {
    const { userId, decisions } = await join('tony@example.com', ['agent', 'lead']);
    const all = { scope: 'desk:read desk:admin' };
    const scopes = ['desk:read', 'desk:admin'];
    const person = createHttpPerson();
    const first = await signIn(stack, {
      clientId,
      redirectUri,
      person,
      params: all,
      decisions: { ...decisions, scopes },
    });
    expect(first.scope).toBe('desk:read desk:admin');
    const refresh = (refreshToken: unknown) =>
      requestToken(stack.server, {
        grant_type: 'refresh_token',
        client_id: clientId,
        refresh_token: typeof refreshToken === 'string' ? refreshToken : undefined,
      });

    await users.takeRole(userId, 'lead');
    const narrowed = await refresh(first.refreshToken);
    expect(narrowed).toMatchObject({ status: 200, json: { scope: 'desk:read' } });

    await users.disable(userId);
    const refused = await refresh(narrowed.json?.refresh_token);
    expect(refused).toMatchObject({ status: 400, json: { error: 'invalid_grant' } });
    await expect(authorize(stack, { clientId, redirectUri, decisions })).rejects.toThrow('That did not work');
    await expect(authorize(stack, { clientId, redirectUri, decisions, person })).rejects.toThrow('That did not work');
  });

  it('PX-2: somebody else signs in at the same browser, and decides anew', async () => {
    const [first, second] = [await join('leslie@example.com', ['agent']), await join('kay@example.com', ['agent'])];
    const person = createHttpPerson();
    const authorization = { clientId: webClientId, redirectUri: webUri, person, params: { prompt: 'login' } };
    const before = await signIn(stack, { ...authorization, decisions: first.decisions });
    const after = await signIn(stack, { ...authorization, decisions: second.decisions });
    expect([before.claims.sub, after.claims.sub]).toEqual([first.userId, second.userId]);

    const page = await person.open(authorizationRequest(stack, { clientId: webClientId, redirectUri: webUri }).url);
    expect(page.kind).toBe('left');
    // The tokens of the person who was there before live on: only the browser changed hands.
    const refresh = { grant_type: 'refresh_token', client_id: webClientId, refresh_token: before.refreshToken };
    expect((await requestToken(stack.server, refresh)).status).toBe(200);
  });
});
