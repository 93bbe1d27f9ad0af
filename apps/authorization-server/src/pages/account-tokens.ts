import type { Page } from './document.ts';
import { foreignName, foreignText } from './foreign-text.ts';
import { type BoundForm, describedBy, formTitle, formTokenField, passwordField, problemSummary } from './form-parts.ts';
import { type Html, html } from './html.ts';
import { moment } from './moment.ts';

/** A personal access token that there is; its value is not known. */
export type ShownToken = Readonly<{
  name: string;
  /** Whether an administrator made it. */
  isFromAdministrator: boolean;
  createdAt: Date;
  lastUsedAt: Date | undefined;
  expiresAt: Date;
  resource: ResourceName;
  scopes: readonly string[];
  revoke: BoundForm;
}>;

type ResourceName = Readonly<{ url: string; name: string }>;

/** What a token can be made for: a resource, and what the person may allow there. */
export type TokenOffer = Readonly<{
  resource: ResourceName;
  scopes: readonly Readonly<{ name: string; description: string; ticked: boolean }>[];
}>;

/** A form that was filled in and not done, shown again with what was in it. */
export type TokenDraft = Readonly<{ resource: string; name: string; days: string; scopes: readonly string[] }>;

/** What there is, and where others are made. */
export type TokensInput = Readonly<{ tokens: readonly ShownToken[]; newTokenPath: string }>;

/** What the page on which a token is made shows. */
export type NewTokenInput = Readonly<{
  offers: readonly TokenOffer[];
  issue: BoundForm;
  email: string;
  /** Whether the form asks for it; somebody without one has to be freshly signed in. */
  hasPassword: boolean;
  problem: string | undefined;
  draft: TokenDraft | undefined;
  accountPath: string;
}>;

/** The section about personal access tokens; its forms post `action` `revoke`. */
export function tokensSection({ tokens, newTokenPath }: TokensInput): Html {
  return html`<section aria-labelledby="tokens">
<h2 id="tokens">Personal access tokens</h2>
<p class="quiet">For apps that can only send a fixed header. Whoever has such a token can do what it allows, in your name.</p>
${tokens.map((token, index) => tokenCard(token, `token-${index}`))}
<p><a href="${newTokenPath}">Make a token</a></p>
</section>`;
}

function tokenCard(token: ShownToken, id: string): Html {
  const { name, isFromAdministrator, createdAt, lastUsedAt, expiresAt, resource, scopes, revoke } = token;
  return html`<article class="card" aria-labelledby="${id}">
<h3 id="${id}">${foreignName(name)}${isFromAdministrator && html` <span class="badge">made by an administrator</span>`}</h3>
<dl class="facts small" id="${id}-facts">
<div><dt>Made</dt><dd>${moment(createdAt)}</dd></div>
<div><dt>Last used</dt><dd>${lastUsedAt ? moment(lastUsedAt) : 'not yet'}</dd></div>
<div><dt>Ends</dt><dd>${moment(expiresAt)}</dd></div>
<div><dt>At</dt><dd>${foreignText(resource.name)}<br><code>${foreignText(resource.url)}</code></dd></div>
<div><dt>It may</dt><dd><ul class="plain">${scopes.map((description) => html`<li>${description}</li>`)}</ul></dd></div>
</dl>
<form method="post" action="${revoke.action}">
${formTokenField(revoke.formToken)}
<div class="actions"><button type="submit" name="action" value="revoke" aria-describedby="${id} ${id}-facts">Revoke</button></div>
</form>
</article>
`;
}

/**
 * The page on which a token is made: a form for each server, which posts `resource`, `name`, `scope` (once for each
 * tick), `days`, `current_password` (of whoever has one) and `action` `issue`.
 */
export function newTokenFormPage({ offers, accountPath, ...form }: NewTokenInput): Page {
  const title = 'Make a personal access token';
  const isOnly = offers.length === 1;
  const body = html`${problemSummary(form.problem)}
<h1>${title}</h1>
<p>For an app that can only send a fixed header. Where an app can sign you in, let it: that is safer. The tokens that you have are listed in <a href="${accountPath}">your account</a>.</p>
${offers.length === 0 && html`<p>There is no server for which you could make one.</p>`}
${offers.map((offer, index) => offerForm(offer, { ...form, isOnly, id: `new-token-${index}` }))}`;
  return { title: formTitle(title, form.problem), body };
}

type OfferForm = Pick<NewTokenInput, 'issue' | 'email' | 'hasPassword' | 'problem' | 'draft'> & {
  isOnly: boolean;
  id: string;
};

function offerForm({ resource, scopes }: TokenOffer, form: OfferForm): Html {
  const { issue, problem, draft, isOnly, id } = form;
  const filledIn = draft?.resource === resource.url ? draft : undefined;
  const shown = filledIn && problem;
  // What is no number, a browser would complain about.
  const days = filledIn === undefined ? '90' : /^\d{1,9}$/.exec(filledIn.days)?.[0];
  return html`<details${(isOnly || filledIn !== undefined) && html` open`}>
<summary>For ${foreignText(resource.name)}</summary>
<form method="post" action="${issue.action}" autocomplete="off">
${formTokenField(issue.formToken)}
<input type="hidden" name="resource" value="${resource.url}">
<div class="field">
<label for="${id}-name">What it is for</label>
<input id="${id}-name" name="name" value="${filledIn?.name ?? ''}" maxlength="80" required${describedBy(shown)}>
</div>
<fieldset${describedBy(shown)}>
<legend>What it may do</legend>
<ul class="scopes">
${scopes.map(
  ({ name, description, ticked }) => html`<li><label>
<input type="checkbox" name="scope" value="${name}" autocomplete="off"${(filledIn?.scopes.includes(name) ?? ticked) && html` checked`}>
<span>${description}<small><code>${name}</code></small></span>
</label></li>
`,
)}
</ul>
</fieldset>
<div class="field">
<label for="${id}-days">Days until it ends</label>
<span class="hint" id="${id}-days-hint">1 to 365. The shorter, the better.</span>
<input id="${id}-days" name="days" type="number" min="1" max="365" value="${days}" required${describedBy(shown, `${id}-days-hint`)}>
</div>
${proofFields(form, shown)}
<div class="actions"><button type="submit" class="main" name="action" value="issue">Make the token</button></div>
</form>
</details>`;
}

function proofFields({ email, hasPassword, id }: OfferForm, problem: string | undefined): Html {
  if (!hasPassword)
    return html`<p>You have no password here, so this takes a sign-in of the last five minutes. After that you are asked to sign in again.</p>`;
  return html`<input type="email" value="${email}" autocomplete="username" aria-label="E-mail" readonly hidden>
${passwordField('current-password', problem, { name: 'current_password', label: 'Your password', id: `${id}-password` })}`;
}

/** Shows a new token, the only time that anybody sees it. */
export function newTokenPage({
  token,
  name,
  resource,
  expiresAt,
  accountPath,
}: Readonly<{ token: string; name: string; resource: ResourceName; expiresAt: Date; accountPath: string }>): Page {
  const title = 'Your new token';
  const body = html`<h1>${title}</h1>
<p>Copy it now. It is shown this once, and nobody can look it up again.</p>
<code class="address whole" id="token">${token}</code>
<p>Apps send it in a header: <code>Authorization: Bearer …</code> Give it to nobody else, and keep it out of files that you share.</p>
<dl class="facts">
<div><dt>For</dt><dd>${foreignName(name)}</dd></div>
<div><dt>At</dt><dd>${foreignText(resource.name)}<br><code>${foreignText(resource.url)}</code></dd></div>
<div><dt>Ends</dt><dd>${moment(expiresAt)}</dd></div>
</dl>
<p><a href="${accountPath}">Back to your account</a>, where you can revoke it.</p>`;
  return { title, body };
}
