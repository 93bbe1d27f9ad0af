import { foreignText } from './foreign-text.ts';
import { type BoundForm, formTokenField } from './form-parts.ts';
import { type Html, html } from './html.ts';

/** A service that people sign in through, by its key in the configuration. */
export type SignInProviderChoice = Readonly<{ key: string; name: string }>;

/** The ways to sign in beside a password; posts `provider`. Nothing where there are none. */
export function providerForm({
  action,
  formToken,
  providers,
}: BoundForm & Readonly<{ providers: readonly SignInProviderChoice[] }>): Html {
  if (providers.length === 0) return html``;
  return html`<form class="elsewhere" method="post" action="${action}" aria-labelledby="elsewhere">
${formTokenField(formToken)}
<p id="elsewhere">Or with an account elsewhere:</p>
<div class="actions">${providers.map(
    ({
      key,
      name,
    }) => html`<button type="submit" name="provider" value="${key}">Continue with ${foreignText(name)}</button>
`,
  )}</div>
</form>`;
}
