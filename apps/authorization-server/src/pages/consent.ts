import { type ConsentScope, requestedScopes } from './consent-scopes.ts';
import type { Page } from './document.ts';
import { foreignName, foreignText } from './foreign-text.ts';
import { formTitle, formTokenField, problemSummary } from './form-parts.ts';
import { type Html, html } from './html.ts';
import { type RedirectHost, redirectTarget, redirectWarning } from './redirect-target.ts';
import { clientOrigin } from './requesting-client.ts';

/** A third-party service that Portcullis would reach for the client, and the permissions it would ask for there. */
export type ConsentUpstream = Readonly<{
  name: string;
  scopes: readonly Readonly<{ name: string; description: string }>[];
}>;

/** What the consent page shows. */
export type ConsentPageInput = Readonly<{
  /** Path that the form posts to. */
  action: string;
  formToken: string;
  clientName: string;
  /** Host that vouches for the client; `undefined` shows the word “unverified”. */
  clientHost: string | undefined;
  /** Path of the client's logo on this server, where it may be shown. */
  logo?: string | undefined;
  redirectHost: RedirectHost;
  /** The redirect URI of this request, in full. */
  redirectUri: string;
  /** Whether the client has nothing but loopback redirect URIs: then any local program can pose as it (AS-32). */
  loopbackOnly: boolean;
  resourceName: string;
  resourceUrl: string;
  userEmail: string;
  scopes: readonly ConsentScope[];
  /** Names of the scopes to show ticked, when an earlier choice is shown again; default: all but the sensitive. */
  selected?: readonly string[] | undefined;
  /** Whether the user has allowed all of this before. */
  alreadyGranted?: boolean | undefined;
  upstream?: ConsentUpstream | undefined;
  problem?: string | undefined;
}>;

/**
 * The page on which a user decides what a client may do; posts `scope` (once for each tick) and `action`, which is
 * `approve` or `deny`. Deny comes first, so that a stray Enter in the form refuses (AS-31 to 33, PX-4 to 6).
 */
export function consentPage(input: ConsentPageInput): Page {
  const body = html`${problemSummary(input.problem)}
${input.logo !== undefined && html`<img class="logo" src="${input.logo}" alt="" width="48" height="48">`}
<h1>${foreignName(input.clientName)} wants to use ${foreignName(input.resourceName)} as you</h1>
${input.alreadyGranted === true && html`<p>You have allowed this before. It asks again to be sure.</p>`}
${parties(input)}
${redirectWarning(input)}
<form method="post" action="${input.action}" autocomplete="off">
${formTokenField(input.formToken)}
${requestedScopes(input)}
${input.upstream && upstreamScopes(input.upstream)}
<div class="actions side-by-side">
<button type="submit" name="action" value="deny">Deny</button>
<button type="submit" class="main" name="action" value="approve">Allow</button>
</div>
</form>
${technicalDetails(input)}`;
  return { title: formTitle('Allow access?', input.problem), body };
}

function parties(input: ConsentPageInput): Html {
  return html`<dl class="facts">
<div><dt>App from</dt><dd>${clientOrigin(input.clientHost)}${input.clientHost === undefined && html` It chose its own name; nobody has checked it.`}</dd></div>
<div><dt>Access goes to</dt><dd>${redirectTarget(input.redirectHost)}</dd></div>
<div><dt>Your account</dt><dd>${foreignText(input.userEmail)}</dd></div>
</dl>`;
}

function upstreamScopes(upstream: ConsentUpstream): Html {
  const items = upstream.scopes.map(
    (scope) =>
      html`<li><div class="given"><span>${scope.description}<small><code>${scope.name}</code></small></span></div></li>`,
  );
  return html`<section aria-labelledby="upstream">
<h2 id="upstream">It also reaches your account at ${upstream.name}</h2>
<p class="quiet">${upstream.name} will ask you next, unless you have connected it before. For what you allow above, this app would have there:</p>
<ul class="scopes given-scopes">${items}</ul>
</section>`;
}

function technicalDetails(input: ConsentPageInput): Html {
  return html`<details>
<summary>Technical details</summary>
<dl class="facts small">
<div><dt>Redirect URI</dt><dd><code>${foreignText(input.redirectUri)}</code></dd></div>
<div><dt>Resource</dt><dd><code>${foreignText(input.resourceUrl)}</code></dd></div>
</dl>
</details>`;
}
