import { createCookieJar } from '@portcullis/testkit';
import { type Answer, exchange, jsonOf, type Sent } from './http-exchange.ts';

/** What a server has its users do: forms of ours, nothing but redirects, or calls of better-auth's own. */
type PersonKind = 'forms' | 'redirects' | 'better-auth';

/** Who somebody is to a server, and where its authorization endpoint is. */
export type PersonSettings = {
  kind: PersonKind;
  issuer: string;
  authorizationEndpoint: string;
  email: string;
  password: string;
};

/** Sends what is filled in already. @throws Error when the answer is not that it was done */
type Submit = () => Promise<void>;

/** A browser that somebody sits in front of. It keeps its cookies and its connections. */
export type Person = {
  /** Opens an authorization URL, signs in where asked and agrees. @returns where the client is called back */
  authorize(url: URL): Promise<URL>;
  /** Opens what signing in and no more needs, so that it is not measured. @returns what sends the password */
  openSignIn(): Promise<Submit>;
  /** Opens the page on which a grant is taken back. @returns what takes it back */
  openDisconnect(grantId: string): Promise<Submit>;
};

const MAX_STEPS = 15;

/** Somebody who has no cookies yet. */
export function createPerson(settings: PersonSettings): Person {
  const cookies = createCookieJar();
  const send = async (sent: Sent): Promise<Answer> => {
    const cookie = cookies.header(sent.url);
    const answer = await exchange({ ...sent, headers: { ...sent.headers, ...(cookie !== undefined && { cookie }) } });
    cookies.store(sent.url, answer.headers['set-cookie']);
    return answer;
  };
  return settings.kind === 'better-auth' ? betterAuthPerson(settings, send) : browsingPerson(settings, send);
}

type Send = (sent: Sent) => Promise<Answer>;

/** Follows redirects and fills in forms. */
function browsingPerson({ issuer, email, password }: PersonSettings, send: Send): Person {
  async function walk(start: Sent): Promise<URL> {
    let sent = start;
    for (let steps = 0; steps < MAX_STEPS; steps += 1) {
      const answer = await send(sent);
      const { location } = answer.headers;
      const next = location === undefined ? undefined : new URL(location, sent.url);
      if (next !== undefined && next.origin !== new URL(issuer).origin) return next;
      sent = next ? { url: next, method: 'GET' } : filledIn(sent.url, answer);
    }
    throw new Error(`no end after ${MAX_STEPS} steps, last at ${sent.url.pathname}`);
  }

  function filledIn(url: URL, { status, text }: Answer): Sent {
    const isLogin = text.includes('value="login"');
    const form = formOf(text, () => true);
    if (status !== 200 || form === undefined)
      throw new Error(`status ${status} at ${url.pathname}: ${text.slice(0, 300)}`);
    const more = isLogin ? { action: 'login', email, password } : { action: 'approve' };
    return posted(url, form, more);
  }

  /** Fills in the form of a page that goes to `path`. */
  async function openForm(page: URL, path: string, more: Record<string, string>): Promise<Submit> {
    const { status, text } = await send({ url: page, method: 'GET' });
    const form = formOf(text, (action) => action === path);
    if (form === undefined) throw new Error(`status ${status} at ${page.pathname}, and no form for ${path}`);
    const sent = posted(page, form, more);
    return async () => {
      const answer = await send(sent);
      if (answer.status !== 303) throw new Error(`status ${answer.status} at ${path}: ${answer.text.slice(0, 300)}`);
    };
  }

  return {
    authorize: (url) => walk({ url, method: 'GET' }),
    openSignIn: () =>
      openForm(new URL('/account/sign-in', issuer), '/account/sign-in', { action: 'login', email, password }),
    openDisconnect: (grantId) =>
      openForm(new URL('/account', issuer), `/account/connections/${grantId}/disconnect`, {}),
  };
}

type Form = { action: string; fields: [string, string][] };

function posted(page: URL, { action, fields }: Form, more: Record<string, string>): Sent {
  const body = new URLSearchParams([...fields, ...Object.entries(more)]).toString();
  const headers = { 'content-type': 'application/x-www-form-urlencoded', origin: page.origin };
  return { url: new URL(action, page), headers, body };
}

/** The first form of a page of ours that goes where it should: with its hidden fields and what is ticked. */
function formOf(page: string, goesRight: (action: string) => boolean): Form | undefined {
  const forms = page.matchAll(/<form method="post" action="([^"]+)"[\s\S]*?<\/form>/g);
  const [form, action = ''] = [...forms].find(([, to = '']) => goesRight(to)) ?? [];
  if (form === undefined) return undefined;
  const inputs = [...form.matchAll(/<input [^>]*>/g)].map(([input]) => input);
  const sent = inputs.filter((input) => input.includes('type="hidden"') || / checked[ >]/.test(input));
  return { action, fields: sent.map((input) => [attributeOf(input, 'name'), attributeOf(input, 'value')]) };
}

function attributeOf(tag: string, name: string): string {
  return new RegExp(` ${name}="([^"]*)"`).exec(tag)?.[1] ?? '';
}

/** Does what the pages do that whoever uses better-auth writes for it. */
function betterAuthPerson({ issuer, email, password }: PersonSettings, send: Send): Person {
  let isSignedIn = false;
  const post = async (path: string, body: object) => {
    const headers = { 'content-type': 'application/json', origin: new URL(issuer).origin };
    return jsonOf(await send({ url: new URL(`${issuer}${path}`), headers, body: JSON.stringify(body) }), 200);
  };
  async function signIn() {
    await post('/sign-in/email', { email, password });
    isSignedIn = true;
  }
  return {
    openSignIn: async () => signIn,
    openDisconnect: async () => {
      throw new Error('nobody wrote that page');
    },
    async authorize(url) {
      if (!isSignedIn) await signIn();
      const asked = await send({ url, method: 'GET' });
      const page = asked.headers.location ?? String(jsonOf(asked, 200).url);
      const query = page.slice(page.indexOf('?') + 1);
      return new URL(String((await post('/oauth2/consent', { accept: true, oauth_query: query })).url));
    },
  };
}
