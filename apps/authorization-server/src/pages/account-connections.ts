import { foreignName, foreignText } from './foreign-text.ts';
import { type BoundForm, formTokenField } from './form-parts.ts';
import { type Html, html } from './html.ts';
import { moment } from './moment.ts';
import { clientOrigin } from './requesting-client.ts';

/** One installation of an app: what was allowed at one time. */
export type Connection = Readonly<{
  grantId: string;
  allowedAt: Date;
  lastUsedAt: Date | undefined;
  resources: readonly Readonly<{
    url: string;
    name: string;
    scopes: readonly Readonly<{ name: string; description: string }>[];
  }>[];
  disconnect: BoundForm;
  /** Undefined where somebody else decides what the app may do. */
  narrow: BoundForm | undefined;
  /** The identity provider that allowed it in the user's place; undefined where the user did. */
  allowedBy: string | undefined;
}>;

/** An app with its installations, the newest first. */
export type ConnectedApp = Readonly<{
  clientId: string;
  clientName: string;
  /** Host that vouches for the client; `undefined` shows the word “unverified”. */
  clientHost: string | undefined;
  installations: readonly Connection[];
  /** Disconnects all of them. */
  disconnectApp: BoundForm;
}>;

/** What is connected, with a way to take each thing back. */
export type ConnectionsInput = Readonly<{ apps: readonly ConnectedApp[]; disconnectAll: BoundForm }>;

/**
 * The section about connected apps; its forms post `action` (`revoke` or `narrow`), with `client` for a whole app, and
 * `resource` and `scope` (once for each tick) for fewer permissions.
 */
export function connectionsSection({ apps, disconnectAll }: ConnectionsInput): Html {
  return html`<section aria-labelledby="apps">
<h2 id="apps">Connected apps</h2>
${apps.length === 0 ? html`<p>No app may act in your name.</p>` : html`<p class="quiet">These may act in your name. Disconnect what you do not use or do not know.</p>`}
${apps.map((app, index) => appCard(app, `app-${index}`))}
${apps.length > 1 && revokeForm(disconnectAll, { label: 'Disconnect every app', describedBy: 'apps' })}
</section>`;
}

function appCard({ clientId, clientName, clientHost, installations, disconnectApp }: ConnectedApp, id: string): Html {
  const several = installations.length > 1;
  return html`<article class="card" aria-labelledby="${id}">
<h3 id="${id}">${foreignName(clientName)}</h3>
<p class="quiet small">App from ${clientOrigin(clientHost)}${clientHost === undefined && html` It chose its own name; nobody has checked it.`}</p>
${several && html`<p class="quiet small">Connected ${installations.length} times, each on its own: on several computers, or anew after some time.</p>`}
${installations.map((connection, index) => installation(connection, { id: `${id}-${index}`, name: id, several }))}
${several && html`<div class="all">${revokeForm(disconnectApp, { label: `Disconnect all ${installations.length}`, describedBy: id, client: clientId })}</div>`}
</article>
`;
}

function installation(
  connection: Connection,
  { id, name, several }: Readonly<{ id: string; name: string; several: boolean }>,
): Html {
  const { allowedAt, allowedBy, lastUsedAt, resources, disconnect, narrow } = connection;
  return html`<div${several && html` class="installation"`}>
<dl class="facts small" id="${id}">
<div><dt>Allowed</dt><dd>${moment(allowedAt)}${allowedBy !== undefined && html`<br>Allowed by <code>${foreignText(allowedBy)}</code>, where your organisation manages what apps may do. The app can come back until that is changed there.`}</dd></div>
<div><dt>Last used</dt><dd>${lastUsedAt ? moment(lastUsedAt) : 'not yet'}</dd></div>
${resources.map(
  ({ url, name: resource, scopes }) =>
    html`<div><dt>At</dt><dd>${foreignText(resource)}<br><code>${foreignText(url)}</code></dd></div>
<div><dt>It may</dt><dd><ul class="plain">${scopes.map(({ description }) => html`<li>${description}</li>`)}</ul></dd></div>`,
)}
</dl>
${narrow && resources.map((resource, index) => narrowForm(narrow, { resource, id: `${id}-${index}`, name }))}
${revokeForm(disconnect, { label: 'Disconnect', describedBy: `${name} ${id}` })}
</div>`;
}

function narrowForm(
  { action, formToken }: BoundForm,
  { resource, id, name }: Readonly<{ resource: Connection['resources'][number]; id: string; name: string }>,
): Html {
  if (resource.scopes.length < 2) return html``;
  return html`<details>
<summary aria-describedby="${name}">Allow it less</summary>
<form method="post" action="${action}" autocomplete="off">
${formTokenField(formToken)}
<input type="hidden" name="resource" value="${resource.url}">
<fieldset aria-describedby="${id}-hint">
<legend>What it may do</legend>
<span class="hint" id="${id}-hint">Untick what it need not do. For more it has to ask you again.</span>
<ul class="scopes">
${resource.scopes.map(
  ({ name: scope, description }) => html`<li><label>
<input type="checkbox" name="scope" value="${scope}" autocomplete="off" checked>
<span>${description}<small><code>${scope}</code></small></span>
</label></li>
`,
)}
</ul>
</fieldset>
<div class="actions"><button type="submit" name="action" value="narrow" aria-describedby="${name}">Save</button></div>
</form>
</details>`;
}

type RevokeButton = Readonly<{ label: string; describedBy: string; client?: string }>;

function revokeForm({ action, formToken }: BoundForm, { label, describedBy, client }: RevokeButton): Html {
  return html`<form method="post" action="${action}">
${formTokenField(formToken)}
${client !== undefined && html`<input type="hidden" name="client" value="${client}">`}
<div class="actions"><button type="submit" name="action" value="revoke" aria-describedby="${describedBy}">${label}</button></div>
</form>`;
}
