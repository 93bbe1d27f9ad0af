import type { Page } from './document.ts';
import { foreignName } from './foreign-text.ts';
import { emailField, formTitle, formTokenField, passwordField, problemSummary } from './form-parts.ts';
import { html } from './html.ts';
import { clientOriginInBrackets } from './requesting-client.ts';
import { providerForm, type SignInProviderChoice } from './sign-in-providers.ts';

/** What the login page shows. */
export type LoginPageInput = Readonly<{
  /** Path that the form posts to. */
  action: string;
  formToken: string;
  clientName: string;
  /** Host that vouches for the client; `undefined` shows the word “unverified”. */
  clientHost: string | undefined;
  resourceName: string;
  /** Other services that people sign in through. */
  providers: readonly SignInProviderChoice[];
  email?: string | undefined;
  problem?: string | undefined;
}>;

/**
 * The login page; posts `email`, `password` and `action`, which is `login` or `cancel`. A form of its own posts `provider`
 * for each service that people sign in through.
 */
export function loginPage(input: LoginPageInput): Page {
  const title = 'Sign in';
  const body = html`${problemSummary(input.problem)}
<h1>${title}</h1>
<p>${foreignName(input.clientName)} ${clientOriginInBrackets(input.clientHost)} sent you here to sign in. It wants to use ${foreignName(input.resourceName)} as you.</p>
<form method="post" action="${input.action}">
${formTokenField(input.formToken)}
${emailField(input)}
${passwordField('current-password', input.problem)}
<div class="actions">
<button type="submit" class="main" name="action" value="login">Sign in</button>
<button type="submit" name="action" value="cancel" formnovalidate>Cancel</button>
</div>
</form>
${providerForm(input)}`;
  return { title: formTitle(title, input.problem), body };
}
