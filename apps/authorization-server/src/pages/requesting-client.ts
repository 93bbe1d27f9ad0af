import { foreignText } from './foreign-text.ts';
import { type Html, html } from './html.ts';

/**
 * Says who stands behind a client: the host that vouches for it, or the word “unverified”.
 *
 * @param clientHost the host of the client's metadata document; `undefined` when the client only named itself.
 */
export function clientOrigin(clientHost: string | undefined): Html {
  if (clientHost === undefined) return html`<span class="badge">unverified</span>`;
  return html`<strong>${foreignText(clientHost)}</strong>`;
}
