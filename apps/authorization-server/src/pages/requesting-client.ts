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

/** The same in brackets, beside the client's name. A badge is a box, and lines may break before and after one. */
export function clientOriginInBrackets(clientHost: string | undefined): Html {
  const origin = html`(${clientOrigin(clientHost)})`;
  return clientHost === undefined ? html`<span class="unbroken">${origin}</span>` : origin;
}
