import type { Page } from './document.ts';
import { foreignText } from './foreign-text.ts';
import { emailField, formTitle, formTokenField, passwordField, problemSummary } from './form-parts.ts';
import { html } from './html.ts';

/** What the set-up page shows: the e-mail typed before and what was wrong with it, if this is another try. */
export type SetupPageInput = Readonly<{
  formToken: string;
  email?: string | undefined;
  problem?: string | undefined;
}>;

/** The page on which the first administrator is created; posts `email` and `password` to its own path. */
export function setupPage(input: SetupPageInput): Page {
  const title = 'Set up Portcullis';
  const body = html`${problemSummary(input.problem)}
<h1>${title}</h1>
<p>Create the first administrator. With this account you sign in to your MCP server, and decide who else may.</p>
<form method="post">
${formTokenField(input.formToken)}
${emailField(input)}
${passwordField('new-password', input.problem)}
<div class="actions"><button type="submit" class="main">Create administrator</button></div>
</form>`;
  return { title: formTitle(title, input.problem), body };
}

/** What the page after set-up shows: the new administrator, and where MCP clients connect. */
export type SetupDonePageInput = Readonly<{ email: string; mcpUrl: string }>;

/** Says that there is an administrator now, and what to do next. */
export function setupDonePage({ email, mcpUrl }: SetupDonePageInput): Page {
  const title = 'Portcullis is ready';
  const body = html`<h1>${title}</h1>
<p>You are the administrator, as <strong>${foreignText(email)}</strong>. The set-up link is used up.</p>
<h2>Next: add your MCP server to a client</h2>
<p>Give the client this address. It opens your browser, you sign in and say what it may do.</p>
<code class="address whole">${mcpUrl}</code>
<p>In Claude Code, for example:</p>
<code class="address whole">claude mcp add --transport http support-desk ${mcpUrl}</code>
<p class="quiet">You can close this page.</p>`;
  return { title, body };
}
