import { type Html, html } from './html.ts';

const PROBLEM_ID = 'problem';

/** A form as it was made for its reader: where it posts to, and what ties it to them. */
export type BoundForm = Readonly<{ action: string; formToken: string }>;

/** The hidden field that ties a form to the browser session it was made for. */
export function formTokenField(formToken: string): Html {
  return html`<input type="hidden" name="form_token" value="${formToken}" autocomplete="off">`;
}

/**
 * Says what was wrong with the last try. It takes the focus, so that it is read out first without any script;
 * nothing when there is no problem.
 */
export function problemSummary(problem: string | undefined): Html {
  if (problem === undefined) return html``;
  return html`<div class="notice problem" id="${PROBLEM_ID}" role="alert" tabindex="-1" autofocus>
<p>${problem}</p>
</div>`;
}

/** The title of a page with a form, which says so first when the last try failed. */
export function formTitle(title: string, problem: string | undefined): string {
  return problem === undefined ? title : `Problem: ${title}`;
}

/** The attribute that ties a control to {@link problemSummary}, and to a hint by its id if there is one. */
export function describedBy(problem: string | undefined, hintId?: string): Html {
  const ids = [problem === undefined ? '' : PROBLEM_ID, hintId ?? ''].filter((id) => id !== '').join(' ');
  return ids === '' ? html`` : html` aria-describedby="${ids}"`;
}

/** The e-mail field of set-up and login; password managers take it for the user's name. */
export function emailField(input: Readonly<{ email?: string | undefined; problem?: string | undefined }>): Html {
  return html`<div class="field">
<label for="email">E-mail</label>
<input id="email" name="email" type="email" value="${input.email}" autocomplete="username" autocapitalize="none" spellcheck="false" maxlength="254" required${describedBy(input.problem)}>
</div>`;
}

/** What a password field is for: to prove the one there is, or to choose one. */
export type PasswordUse = 'current-password' | 'new-password';

/** How a password field is called, where a form has more than one; its `id` is its name, where a page has one such field. */
type PasswordName = Readonly<{ name: string; label: string; id?: string }>;

/** The password field; a new password gets a hint on how to choose it. What is long enough is for the server to say. */
export function passwordField(
  use: PasswordUse,
  problem: string | undefined,
  { name, label, id = name }: PasswordName = { name: 'password', label: 'Password' },
): Html {
  const isNew = use === 'new-password';
  const hint = `${id}-hint`;
  return html`<div class="field">
<label for="${id}">${label}</label>
${isNew && html`<span class="hint" id="${hint}">Long beats clever: a few words that only you would put together. A password manager does it best.</span>`}
<input id="${id}" name="${name}" type="password" autocomplete="${use}" required${describedBy(problem, isNew ? hint : undefined)}>
</div>`;
}
