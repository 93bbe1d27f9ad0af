import { foreignText } from './foreign-text.ts';
import { type BoundForm, formTokenField } from './form-parts.ts';
import { type Html, html } from './html.ts';
import { moment } from './moment.ts';

/** A browser that the person is signed in at. */
export type ShownSignIn = Readonly<{
  browser: string;
  address: string;
  signedInAt: Date;
  lastSeenAt: Date;
  /** Whether it is the one that shows the page. */
  isThisOne: boolean;
  end: BoundForm;
}>;

/** Where the person is signed in, with a way to end each of them but this one. */
export type SignInsInput = Readonly<{ signIns: readonly ShownSignIn[]; endOthers: BoundForm }>;

/** The section about sign-ins; its forms post `action` `end`. */
export function signInsSection({ signIns, endOthers }: SignInsInput): Html {
  return html`<section aria-labelledby="sign-ins">
<h2 id="sign-ins">Where you are signed in</h2>
${signIns.map((signIn, index) => signInCard(signIn, `sign-in-${index}`))}
${signIns.length > 1 && endForm(endOthers, { label: 'Sign out everywhere else', describedBy: 'sign-ins' })}
</section>`;
}

function signInCard({ browser, address, signedInAt, lastSeenAt, isThisOne, end }: ShownSignIn, id: string): Html {
  return html`<article class="card" aria-labelledby="${id}">
<h3 id="${id}">${foreignText(browser)}${isThisOne && html` <span class="badge plain-badge">this browser</span>`}</h3>
<dl class="facts small" id="${id}-facts">
<div><dt>Signed in</dt><dd>${moment(signedInAt)}</dd></div>
<div><dt>Last seen</dt><dd>${moment(lastSeenAt)}</dd></div>
<div><dt>From</dt><dd>${foreignText(address)}</dd></div>
</dl>
${!isThisOne && endForm(end, { label: 'Sign out there', describedBy: `${id} ${id}-facts` })}
</article>
`;
}

function endForm(
  { action, formToken }: BoundForm,
  { label, describedBy }: Readonly<{ label: string; describedBy: string }>,
): Html {
  return html`<form method="post" action="${action}">
${formTokenField(formToken)}
<div class="actions"><button type="submit" name="action" value="end" aria-describedby="${describedBy}">${label}</button></div>
</form>`;
}

/** The section with the ways out (SP-12); its form posts `action` `sign-out` or `disconnect-and-sign-out`. */
export function signOutSection({ action, formToken }: BoundForm): Html {
  return html`<section aria-labelledby="sign-out">
<h2 id="sign-out">Sign out</h2>
<p class="quiet">Apps stay connected when you sign out of this browser, unless you disconnect them too.</p>
<form method="post" action="${action}">
${formTokenField(formToken)}
<div class="actions">
<button type="submit" class="main" name="action" value="sign-out">Sign out</button>
<button type="submit" name="action" value="disconnect-and-sign-out">Sign out and disconnect every app</button>
</div>
</form>
</section>`;
}
