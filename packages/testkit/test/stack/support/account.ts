import { createOneTimeLinkStore, createUserStore, type Database } from '@portcullis/persistence';
import type { HttpPerson, JsonAnswer, RawAnswer, Step } from '../../../src/index.ts';
import { createHttpPerson, plainText, readToken, requestToken, sendRaw } from '../../../src/index.ts';
import type { Target, TestClient } from './authorization.ts';
import { authorizationRequest, redeem, tokensOf } from './authorization.ts';
import type { InProcess } from './in-process.ts';

/** Somebody who can sign in. */
export type Member = { email: string; password: string; userId: string };

/** Makes a link with which a user sets a password. */
export async function passwordLink(
  { issuer, database, now = () => new Date() }: { issuer: string; database: Database; now?: () => Date },
  userId: string,
): Promise<string> {
  const links = createOneTimeLinkStore(database);
  const token = await links.issue({ purpose: 'password', userId, now: now(), ttlSeconds: 3600 });
  return `${issuer}/password?token=${token}`;
}

/** Follows a link and sets a password. */
export async function setPassword(link: string, password: string): Promise<Step> {
  const person = createHttpPerson();
  return person.submit(await person.open(link), { password });
}

/** Creates a user with a password of their own. */
export async function join(server: InProcess, email: string, roles: readonly string[] = ['lead']): Promise<Member> {
  const created = await createUserStore(server.database).create({ email, roles, now: new Date() });
  if (!created.ok) throw new Error(created.refusal.reason);
  const password = `the password of ${email}`;
  await setPassword(await passwordLink(server, created.user.id), password);
  return { email, password, userId: created.user.id };
}

/** Signs a person in at the account page, and gives the page that follows. */
export async function signInAtAccount(issuer: string, person: HttpPerson, who: Omit<Member, 'userId'>): Promise<Step> {
  const page = await person.open(`${issuer}/account`);
  const takesPasswords = ({ defaults }: { defaults: readonly [string, string][] }) =>
    defaults.some(([name]) => name === 'password');
  return person.submit(page, { email: who.email, password: who.password, action: 'login' }, takesPasswords);
}

/** What an app holds after an authorization. */
export type Connected = { access: string; refresh: string; grantId: string; scope: string };

/** Connects an app as far as its tokens; signs in where asked, and ticks all that is asked for. */
export async function connect(
  target: Target,
  client: TestClient,
  { person, who, scope = 'desk:read desk:write' }: { person: HttpPerson; who: Member; scope?: string },
): Promise<Connected> {
  const { url, verifier } = authorizationRequest(target, client, { scope });
  const back = await person.authorize(url, { ...who, scopes: scope.split(' ') });
  const answer = await redeem(target, client, { code: { code: back.searchParams.get('code') ?? '', verifier } });
  const tokens = tokensOf(answer);
  return { ...tokens, grantId: String(readToken(tokens.access).claims.gid), scope: String(answer.json?.scope) };
}

/** Refreshes; `scope` asks for those. */
export function refresh(
  { server }: Target,
  client: TestClient,
  { token, scope }: { token: string; scope?: string },
): Promise<JsonAnswer> {
  return requestToken(server, { grant_type: 'refresh_token', client_id: client.id, refresh_token: token, scope });
}

/** Sends the form of the account page whose path ends so. */
export function act(
  person: HttpPerson,
  page: Step,
  { path, ...changes }: { path: string } & Record<string, string | readonly string[]>,
): Promise<Step> {
  const endsSo = ({ action }: { action: URL }) => action.pathname.endsWith(path);
  return person.submit(page, changes, endsSo);
}

/** The token of the form of a page whose path ends so. */
export function formTokenOf(page: Step, path: string): string {
  const forms = page.kind === 'page' ? page.forms : [];
  const form = forms.find(({ action }) => action.pathname.endsWith(path));
  const [, token] = form?.defaults.find(([name]) => name === 'form_token') ?? [];
  if (token === undefined) throw new Error(`no form to ${path}`);
  return token;
}

/** Posts a form by hand, with a person's cookies or others. */
export function post(
  { issuer }: { issuer: string },
  path: string,
  o: { cookie: string | undefined; fields: Record<string, string>; headers?: Record<string, string> },
): Promise<RawAnswer> {
  return sendRaw(`${issuer}/account${path}`, {
    body: new URLSearchParams(o.fields),
    headers: { origin: issuer, ...(o.cookie !== undefined && { cookie: o.cookie }), ...o.headers },
  });
}

/** Everything that a browser would send to the account page. */
export function cookiesOf({ issuer }: { issuer: string }, person: HttpPerson): string {
  return person.cookies.header(new URL(`${issuer}/account`)) ?? '';
}

/** The words of a page. */
export function words(step: Step): string {
  return plainText(step.answer.text);
}

/** Whether an account page came, and not the way to sign in. */
export function isAccountPage(step: Step): boolean {
  return step.answer.status === 200 && step.url.pathname.endsWith('/account');
}
