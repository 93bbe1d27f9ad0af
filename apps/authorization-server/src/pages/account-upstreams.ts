import { foreignName, foreignText } from './foreign-text.ts';
import { type BoundForm, formTokenField } from './form-parts.ts';
import { type Html, html } from './html.ts';
import { moment } from './moment.ts';

/** An account elsewhere that apps work with in the user's name. */
export type ConnectedUpstream = Readonly<{
  upstreamName: string;
  /** Who the user is there. */
  account: string;
  connectedAt: Date;
  /** Whether the upstream has ended it. */
  ended: boolean;
  scopes: readonly Readonly<{ name: string; description: string }>[];
  /** The apps that work with it. */
  apps: readonly string[];
  disconnect: BoundForm;
}>;

/** The section about accounts elsewhere; nothing where there are none. Its forms post `action`, which is `disconnect`. */
export function upstreamsSection(connected: readonly ConnectedUpstream[]): Html {
  if (connected.length === 0) return html``;
  return html`<section aria-labelledby="upstreams">
<h2 id="upstreams">Your accounts elsewhere</h2>
<p class="quiet">Apps work with these through this server. They never see the keys to them.</p>
${connected.map((one, index) => card(one, `upstream-${index}`))}
</section>`;
}

function card(one: ConnectedUpstream, id: string): Html {
  const { upstreamName, account, connectedAt, ended, scopes, apps, disconnect } = one;
  return html`<article class="card" aria-labelledby="${id}">
<h3 id="${id}">${upstreamName}: ${foreignText(account)}</h3>
${ended && html`<p>${upstreamName} has ended this connection. Connect the app again to renew it.</p>`}
<dl class="facts small">
<div><dt>Connected</dt><dd>${moment(connectedAt)}</dd></div>
<div><dt>Used by</dt><dd>${apps.map((app, index) => html`${index > 0 && ', '}${foreignName(app)}`)}</dd></div>
<div><dt>They may</dt><dd><ul class="plain">${scopes.map(({ description, name }) => html`<li>${description} <code>${name}</code></li>`)}</ul></dd></div>
</dl>
<form method="post" action="${disconnect.action}">
${formTokenField(disconnect.formToken)}
<p class="quiet small">Disconnecting also disconnects the apps that work with it.</p>
<div class="actions"><button type="submit" name="action" value="disconnect" aria-describedby="${id}">Disconnect</button></div>
</form>
</article>
`;
}
