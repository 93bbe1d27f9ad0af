import type { Page } from './document.ts';
import { foreignText } from './foreign-text.ts';
import { formTitle, formTokenField, passwordField, problemSummary } from './form-parts.ts';
import { html } from './html.ts';

/** What the page for choosing a password shows. */
export type PasswordPageInput = Readonly<{ formToken: string; email: string; problem?: string | undefined }>;

/** The page on which somebody with a one-time link chooses a password; posts `password` to its own path. */
export function passwordPage({ formToken, email, problem }: PasswordPageInput): Page {
  const title = 'Choose a password';
  const body = html`${problemSummary(problem)}
<h1>${title}</h1>
<p>For the account <strong>${foreignText(email)}</strong>.</p>
<form method="post">
${formTokenField(formToken)}
<input type="email" value="${email}" autocomplete="username" aria-label="E-mail" readonly hidden>
${passwordField('new-password', problem)}
<div class="actions"><button type="submit" class="main">Save password</button></div>
</form>`;
  return { title: formTitle(title, problem), body };
}

/** Says that the password is set, and that signing in begins at the client. */
export function passwordDonePage({ email, removed }: Readonly<{ email: string; removed: readonly string[] }>): Page {
  const title = 'Your password is set';
  const body = html`<h1>${title}</h1>
<p>From now on you sign in as <strong>${foreignText(email)}</strong> with the password you have just chosen.</p>
<p>Whatever was opened with an earlier password is closed: every browser is signed out, and every app is disconnected.</p>
${
  removed.length > 0 &&
  html`<p>Nobody signs in here any more with what was added by somebody who knew it; add what is yours again on your account page:</p>
<ul>${removed.map((name) => html`<li>${foreignText(name)}</li>`)}</ul>`
}
<p>Go back to your app and connect it: it brings you to the sign-in page. You can close this page.</p>`;
  return { title, body };
}
