import type { Page } from './document.ts';
import { plainText } from './foreign-text.ts';
import { type Html, html } from './html.ts';
import { type RedirectHost, redirectTarget } from './redirect-target.ts';

/** What an error page shows; all of it is read by strangers, so it names nothing internal. */
export type ErrorPageInput = Readonly<{
  /** HTTP status, 400 to 599. */
  status: number;
  title: string;
  explanation: string;
  /** What the reader can do, one step each. */
  advice?: readonly string[] | undefined;
  /** Where the reader can go on to, outside this server; shown with where it leads. */
  continueTo?: Readonly<{ url: string; target: RedirectHost }> | undefined;
  correlationId: string;
}>;

/** Says in plain words what went wrong, what to do, and which reference the administrator can look up. */
export function errorPage(input: ErrorPageInput): Page {
  const title = plainText(input.title);
  const body = html`<h1>${title}</h1>
<p>${plainText(input.explanation)}</p>
${adviceList(input.advice ?? [])}
${input.continueTo && onwards(input.continueTo)}
${reference(input.correlationId, input.status)}`;
  return { title, body };
}

function onwards({ url, target }: Readonly<{ url: string; target: RedirectHost }>): Html {
  return html`<p><a href="${url}" rel="noreferrer">Go back to the app</a>: ${redirectTarget(target)}</p>`;
}

/** The line with which an administrator finds the request in the log. */
export function reference(correlationId: string, status?: number): Html {
  return html`<p class="quiet small">Reference <code class="whole">${correlationId}</code>${status !== undefined && html` · status ${status}`}</p>`;
}

function adviceList(advice: readonly string[]): Html {
  if (advice.length === 0) return html``;
  return html`<h2>What you can do</h2>
<ul>${advice.map((step) => html`<li>${plainText(step)}</li>`)}</ul>`;
}
