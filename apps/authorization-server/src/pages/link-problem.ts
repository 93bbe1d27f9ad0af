import type { Page } from './document.ts';
import { reference } from './error.ts';
import { type Html, html } from './html.ts';

/** What a one-time link was for. */
type LinkPurpose = 'set-up' | 'password';

/** What the page about a dead one-time link shows. */
export type LinkProblemPageInput = Readonly<{ purpose: LinkPurpose; correlationId: string }>;

/** Says that a one-time link is used, expired or unknown (never which of them), and how to get another. */
export function linkProblemPage({ purpose, correlationId }: LinkProblemPageInput): Page {
  const title = 'This link does not work any more';
  const body = html`<h1>${title}</h1>
<p>Such a link works once, and for one hour. This one was used before, is too old, or was not copied as a whole.</p>
<h2>How to get a new one</h2>
${remedy(purpose)}
${reference(correlationId)}`;
  return { title, body };
}

function remedy(purpose: LinkPurpose): Html {
  switch (purpose) {
    case 'set-up':
      return html`<p>As long as there is no administrator, Portcullis prints a new set-up link each time it starts. Restart it and open the link that it prints.</p>
<p>If you have set it up already, there is nothing left to do here: connect your app and sign in.</p>`;
    case 'password':
      return html`<p>Ask your administrator for a new link. If you have already chosen a password with this one, simply sign in from your app.</p>`;
  }
}
