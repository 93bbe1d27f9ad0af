import type { Page } from './document.ts';
import { emailField, formTitle, formTokenField, passwordField, problemSummary } from './form-parts.ts';
import { html } from './html.ts';
import { providerForm, type SignInProviderChoice } from './sign-in-providers.ts';

/** What the sign-in page of the account shows. */
export type AccountSignInPageInput = Readonly<{
  /** Path that the form posts to. */
  action: string;
  formToken: string;
  /** Whether an app's call waits for the person's word. */
  confirms?: boolean | undefined;
  /** Other services that people sign in through. */
  providers: readonly SignInProviderChoice[];
  email?: string | undefined;
  problem?: string | undefined;
}>;

/** Where somebody signs in to their own account, sent by no app; posts `email`, `password` and `action`, or `provider`. */
export function accountSignInPage(input: AccountSignInPageInput): Page {
  const title = input.confirms ? 'Sign in to confirm' : 'Sign in to your account';
  const body = html`${problemSummary(input.problem)}
<h1>${title}</h1>
<p>${input.confirms ? 'An app wants to do something in your name that needs your word. Sign in to see what.' : 'To see which apps may act in your name, and where you are signed in.'}</p>
<form method="post" action="${input.action}">
${formTokenField(input.formToken)}
${emailField(input)}
${passwordField('current-password', input.problem)}
<div class="actions"><button type="submit" class="main" name="action" value="login">Sign in</button></div>
</form>
${providerForm(input)}`;
  return { title: formTitle(title, input.problem), body };
}

/** Says that this browser is signed out. */
export function signedOutPage({
  accountPath,
  disconnected,
}: Readonly<{ accountPath: string; disconnected: boolean }>): Page {
  const title = 'You are signed out';
  const body = html`<h1>${title}</h1>
<p>${disconnected ? 'Every app is disconnected: none can do anything in your name any more.' : 'Apps that you have connected stay connected.'} You can close this page.</p>
<p><a href="${accountPath}">Sign in again</a></p>`;
  return { title, body };
}
