import type { Page } from './document.ts';
import { foreignName, foreignText } from './foreign-text.ts';
import { type BoundForm, formTokenField } from './form-parts.ts';
import { type Html, html } from './html.ts';
import { moment } from './moment.ts';
import { clientOrigin } from './requesting-client.ts';

/** Who wants it done: an app, with the host that vouches for it, if any does; or whoever holds a token of the user's own. */
export type AskedBy =
  | Readonly<{ kind: 'app'; name: string; host: string | undefined }>
  | Readonly<{ kind: 'token'; name: string }>;

/** What the page shows of one call that an app wants to make. */
export type ConfirmationPageInput = BoundForm &
  Readonly<{
    askedBy: AskedBy;
    resource: Readonly<{ name: string; url: string }>;
    tool: Readonly<{ name: string; title: string }>;
    arguments: Readonly<Record<string, unknown>>;
    userEmail: string;
    askedAt: Date;
    expiresAt: Date;
  }>;

/**
 * The page on which a user agrees to one call of a dangerous tool, or does not; posts `action`, `approve` or `deny`.
 * Deny comes first, so that a stray Enter refuses (SP-29).
 */
export function confirmationPage(input: ConfirmationPageInput): Page {
  const { askedBy, resource, tool, userEmail, askedAt, expiresAt, action, formToken } = input;
  const body = html`<h1>${foreignName(askedBy.name)} wants to do this as you: ${foreignName(tool.title)}</h1>
<p>It may do this once, and exactly so. If you did not just ask for it, deny it.</p>
<dl class="facts">
${origin(askedBy)}
<div><dt>At</dt><dd>${foreignText(resource.name)}<br><code>${foreignText(resource.url)}</code></dd></div>
<div><dt>Tool</dt><dd><code>${foreignText(tool.name)}</code></dd></div>
<div><dt>Your account</dt><dd>${foreignText(userEmail)}</dd></div>
<div><dt>Asked</dt><dd>${moment(askedAt)}; the question ends at ${moment(expiresAt)}</dd></div>
</dl>
<form method="post" action="${action}" autocomplete="off">
${formTokenField(formToken)}
${argumentList(input.arguments)}
<div class="actions side-by-side">
<button type="submit" name="action" value="deny">Deny</button>
<button type="submit" class="main" name="action" value="approve">Allow once</button>
</div>
</form>`;
  return { title: 'Allow this once?', body };
}

function origin(askedBy: AskedBy): Html {
  if (askedBy.kind === 'token')
    return html`<div><dt>It uses</dt><dd>A personal access token of yours, with this name</dd></div>`;
  const { host } = askedBy;
  return html`<div><dt>App from</dt><dd>${clientOrigin(host)}${host === undefined && html` It chose its own name; nobody has checked it.`}</dd></div>`;
}

function argumentList(values: Readonly<Record<string, unknown>>): Html {
  const entries = Object.entries(values);
  return html`<section aria-labelledby="details">
<h2 id="details">With these details</h2>
${
  entries.length === 0
    ? html`<p>None.</p>`
    : html`<dl class="facts">
${entries.map(([name, value]) => html`<div><dt>${foreignText(name)}</dt><dd>${readable(value)}</dd></div>`)}
</dl>`
}
</section>`;
}

/** A text as it stands; everything else as JSON. Nothing is cut: what is not shown is not agreed to. */
function readable(value: unknown): Html {
  if (typeof value === 'string') return value === '' ? html`(empty)` : foreignText(value);
  return html`<code>${foreignText(JSON.stringify(value))}</code>`;
}

/** Says what became of a question. */
export function decidedPage(state: 'approved' | 'denied' | 'used'): Page {
  const { title, text } = decidedWords(state);
  return { title, body: html`<h1>${title}</h1>\n<p>${text}</p>` };
}

function decidedWords(state: 'approved' | 'denied' | 'used'): { title: string; text: string } {
  switch (state) {
    case 'approved':
      return {
        title: 'You have allowed it',
        text: 'Go back to your app and let it try again within five minutes. It may do this once. You can close this page.',
      };
    case 'denied':
      return { title: 'You have denied it', text: 'The app does not do it. You can close this page.' };
    case 'used':
      return {
        title: 'It was done already',
        text: 'What you allowed was done once, and cannot be done again with this.',
      };
  }
}
