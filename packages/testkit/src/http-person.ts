import type { CookieJar } from './cookie-jar.ts';
import { createCookieJar } from './cookie-jar.ts';
import type { HtmlForm } from './html-form.ts';
import { readForms } from './html-form.ts';
import type { RawAnswer, RawRequest } from './raw-request.ts';
import { sendRaw } from './raw-request.ts';

/** Where a person stands after a step: on a page, or sent away to another origin (the client's redirect URI). */
export type Step =
  | { kind: 'page'; url: URL; answer: RawAnswer; forms: HtmlForm[] }
  | { kind: 'left'; url: URL; answer: RawAnswer };

/** What a person types and ticks on the way through login and consent. */
export type Decisions = {
  email: string;
  password: string;
  /** `approve` by default. */
  decision?: 'approve' | 'deny';
  /** The scopes to tick; by default what the page has ticked to begin with. */
  scopes?: readonly string[];
};

/** Somebody in front of a browser, without the browser: cookies, redirects and forms by hand. */
export type HttpPerson = {
  cookies: CookieJar;
  /** Opens a page, following redirects as long as they stay on its origin. */
  open(url: string | URL): Promise<Step>;
  /**
   * Sends the only form of a page, with `changes` put over what it holds; a list sends a field several times. Where a
   * page has more forms, `which` says which one.
   */
  submit(
    step: Step,
    changes: Record<string, string | readonly string[]>,
    which?: (form: HtmlForm) => boolean,
  ): Promise<Step>;
  /** Creates the first administrator with a set-up link. */
  setUp(link: string, account: { email: string; password: string }): Promise<Step>;
  /** Opens an authorization URL, signs in and decides where asked, and gives the URL that the client is called back with. */
  authorize(url: string | URL, decisions: Decisions): Promise<URL>;
};

const maxRedirects = 15;

/** A person with no cookies yet. `fromAddress` is the loopback address to come from; `headers` go with every request. */
export function createHttpPerson(options: Pick<RawRequest, 'fromAddress' | 'headers'> = {}): HttpPerson {
  const cookies = createCookieJar();

  const request = async (url: URL, raw: RawRequest): Promise<RawAnswer> => {
    const cookie = cookies.header(url);
    const headers = { ...options.headers, ...(cookie !== undefined && { cookie }), ...raw.headers };
    const answer = await sendRaw(url, { ...options, ...raw, headers });
    cookies.store(url, answer.headers['set-cookie']);
    return answer;
  };

  const walk = async (start: URL, raw: RawRequest): Promise<Step> => {
    let url = start;
    let answer = await request(url, raw);
    for (let hop = 0; hop < maxRedirects; hop++) {
      const { location } = answer.headers;
      if (location === undefined) return { kind: 'page', url, answer, forms: readForms(url, answer.text) };
      const next = new URL(location, url);
      if (next.origin !== start.origin) return { kind: 'left', url: next, answer };
      url = next;
      answer = await request(url, {});
    }
    throw new Error(`more than ${maxRedirects} redirects, last to ${url.pathname}`);
  };

  const submit: HttpPerson['submit'] = async (step, changes, which = () => true) => {
    const form = onlyForm(step, which);
    const body = filledIn(form, changes);
    // A browser names the page's origin when it posts a form.
    return walk(form.action, { method: form.method, body, headers: { origin: step.url.origin } });
  };

  return {
    cookies,
    open: (url) => walk(new URL(url), {}),
    submit,
    async setUp(link, { email, password }) {
      const step = await walk(new URL(link), {});
      return submit(step, { email, password });
    },
    async authorize(url, { email, password, decision = 'approve', scopes }) {
      let step = await walk(new URL(url), {});
      if (asks(step, 'login')) step = await submit(step, { email, password, action: 'login' });
      if (asks(step, decision)) step = await submit(step, { action: decision, ...(scopes && { scope: scopes }) });
      if (step.kind === 'left') return step.url;
      throw new Error(`stopped at ${step.url.pathname} (${step.answer.status}): ${plainText(step.answer.text)}`);
    },
  };
}

/** Whether a page has a form whose button says `action`: `login`, `approve`, `deny`. */
export function asks(step: Step, action: string): boolean {
  if (step.kind === 'left') return false;
  return step.forms.some((form) => form.buttons.some(([name, value]) => name === 'action' && value === action));
}

/** The words of a page, for messages. */
export function plainText(html: string): string {
  return html
    .replace(/<(style|head)[\s\S]*?<\/\1>/g, ' ')
    .replace(/<[^>]+>/g, ' ')
    .replace(/\s+/g, ' ')
    .trim();
}

function onlyForm(step: Step, which: (form: HtmlForm) => boolean): HtmlForm {
  const [form, ...others] = step.kind === 'page' ? step.forms.filter(which) : [];
  if (form && others.length === 0) return form;
  throw new Error(`no single form at ${step.url.pathname} (${step.answer.status}): ${plainText(step.answer.text)}`);
}

function filledIn(form: HtmlForm, changes: Record<string, string | readonly string[]>): URLSearchParams {
  const body = new URLSearchParams(form.defaults.filter(([name]) => !(name in changes)));
  for (const [name, value] of Object.entries(changes)) {
    for (const one of typeof value === 'string' ? [value] : value) body.append(name, one);
  }
  return body;
}
