import { foreignText } from './foreign-text.ts';
import { type BoundForm, formTokenField } from './form-parts.ts';
import { type Html, html } from './html.ts';
import { moment } from './moment.ts';
import type { SignInProviderChoice } from './sign-in-providers.ts';

/** An account elsewhere with which the person signs in. */
type SignInMethod = Readonly<{
  providerName: string;
  /** What the service calls the person, or the name by which it knows them. */
  account: string;
  addedAt: Date;
  lastUsedAt: Date | undefined;
  remove: BoundForm;
}>;

/** How somebody signs in, with a way to add accounts elsewhere and to take them away. */
export type SignInMethodsInput = Readonly<{
  hasPassword: boolean;
  methods: readonly SignInMethod[];
  add: BoundForm & Readonly<{ providers: readonly SignInProviderChoice[] }>;
}>;

/** The section about sign-in methods; its forms post `provider` to add one, and `action` `remove`. */
export function signInMethodsSection({ hasPassword, methods, add }: SignInMethodsInput): Html {
  if (methods.length === 0 && add.providers.length === 0) return html``;
  return html`<section aria-labelledby="sign-in-methods">
<h2 id="sign-in-methods">How you sign in</h2>
<p class="quiet">${hasPassword ? 'With your password, or with an account elsewhere that you added here.' : 'With an account elsewhere. You have no password here.'}</p>
${methods.map((method, index) => methodCard(method, `method-${index}`))}
${add.providers.length > 0 && addForm(add)}
</section>`;
}

function methodCard({ providerName, account, addedAt, lastUsedAt, remove }: SignInMethod, id: string): Html {
  return html`<article class="card" aria-labelledby="${id}">
<h3 id="${id}">${foreignText(providerName)}</h3>
<dl class="facts small" id="${id}-facts">
<div><dt>Account</dt><dd>${foreignText(account)}</dd></div>
<div><dt>Added</dt><dd>${moment(addedAt)}</dd></div>
<div><dt>Last used</dt><dd>${lastUsedAt ? moment(lastUsedAt) : 'not yet'}</dd></div>
</dl>
<form method="post" action="${remove.action}">
${formTokenField(remove.formToken)}
<div class="actions"><button type="submit" name="action" value="remove" aria-describedby="${id} ${id}-facts">Remove</button></div>
</form>
</article>
`;
}

function addForm({ action, formToken, providers }: SignInMethodsInput['add']): Html {
  return html`<form method="post" action="${action}">
${formTokenField(formToken)}
<div class="actions">${providers.map(
    ({ key, name }) => html`<button type="submit" name="provider" value="${key}">Add ${foreignText(name)}</button>
`,
  )}</div>
</form>`;
}
