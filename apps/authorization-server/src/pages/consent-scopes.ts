import { describedBy } from './form-parts.ts';
import { type Html, html } from './html.ts';

/** One permission that the user may grant or leave out. */
export type ConsentScope = Readonly<{
  name: string;
  /** What it allows, in plain words that complete “It may …”. */
  description: string;
  /** Whether the configuration marks it as one that is never ticked to begin with. */
  sensitive: boolean;
  /** Whether this user has granted it to this client before. */
  granted?: boolean | undefined;
}>;

/** The permissions of one request, and the choice to show. */
export type RequestedScopes = Readonly<{
  scopes: readonly ConsentScope[];
  selected?: readonly string[] | undefined;
  problem?: string | undefined;
}>;

/** The list of permissions, each with a box to tick; a sentence when nothing but the user's identity is asked for. */
export function requestedScopes({ scopes, selected, problem }: RequestedScopes): Html {
  if (scopes.length === 0) return html`<p>It asks for no permission beyond knowing that it is you.</p>`;
  const items = scopes.map((scope, index) => scopeItem(scope, { index, ticked: isTicked(scope, selected) }));
  return html`<fieldset${describedBy(problem, 'scopes-hint')}>
<legend>What it may do</legend>
<span class="hint" id="scopes-hint">Untick anything that you do not want to allow.</span>
<ul class="scopes">
${items}
</ul>
</fieldset>`;
}

function isTicked(scope: ConsentScope, selected: readonly string[] | undefined): boolean {
  return selected === undefined ? !scope.sensitive : selected.includes(scope.name);
}

function scopeItem(scope: ConsentScope, { index, ticked }: Readonly<{ index: number; ticked: boolean }>): Html {
  const note = `scope-${index}-name`;
  return html`<li><label>
<input type="checkbox" name="scope" value="${scope.name}" autocomplete="off" aria-describedby="${note}"${ticked && html` checked`}>
<span>${scope.description}${scope.sensitive && html` <span class="badge">sensitive</span>`}${scope.granted === true && html` <span class="badge plain-badge">allowed before</span>`}<small id="${note}"><code>${scope.name}</code></small></span>
</label></li>
`;
}
