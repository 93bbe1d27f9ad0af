import { type BoundForm, formTokenField, passwordField } from './form-parts.ts';
import { type Html, html } from './html.ts';

/** What changing the password shows. */
export type PasswordSectionInput = BoundForm &
  Readonly<{
    email: string;
    /** What was wrong with the last try. */
    problem: string | undefined;
  }>;

/** The section in which the password is changed; posts `current_password` and `password`. */
export function passwordSection({ action, formToken, email, problem }: PasswordSectionInput): Html {
  return html`<section aria-labelledby="password-heading">
<h2 id="password-heading">Password</h2>
<details${problem !== undefined && html` open`}>
<summary>Change your password</summary>
<p>That disconnects every app and signs you out of every other browser, so that whoever knew the old password is out. Accounts elsewhere that were added on this page go too: add yours again.</p>
<form method="post" action="${action}">
${formTokenField(formToken)}
<input type="email" value="${email}" autocomplete="username" aria-label="E-mail" readonly hidden>
${passwordField('current-password', problem, { name: 'current_password', label: 'Present password' })}
${passwordField('new-password', problem, { name: 'password', label: 'New password' })}
<div class="actions"><button type="submit" class="main" name="action" value="change">Change password</button></div>
</form>
</details>
</section>`;
}
