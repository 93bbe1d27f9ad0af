import type { Page } from './document.ts';
import { foreignText } from './foreign-text.ts';
import { formTitle, problemSummary } from './form-parts.ts';
import { type Html, html } from './html.ts';

/** What the account page shows beside its sections. */
export type AccountPageInput = Readonly<{
  email: string;
  roles: readonly string[];
  /** What was just done. */
  notice?: string | undefined;
  /** Why the last form was not done. */
  problem?: string | undefined;
  /** What a person can look after here, each with a heading of the second level, in their order. */
  sections: readonly Html[];
}>;

/** The page on which somebody looks after their own account. */
export function accountPage({ email, roles, notice, problem, sections }: AccountPageInput): Page {
  const title = 'Your account';
  const body = html`${problemSummary(problem)}
${notice !== undefined && html`<div class="notice done" role="status"><p>${notice}</p></div>`}
<h1>${title}</h1>
<dl class="facts">
<div><dt>E-mail</dt><dd>${foreignText(email)}</dd></div>
<div><dt>${roles.length === 1 ? 'Role' : 'Roles'}</dt><dd>${roles.length === 0 ? 'none' : foreignText(roles.join(', '))}</dd></div>
</dl>
${sections}`;
  return { title: formTitle(title, problem), body };
}
