import { foreignText } from './foreign-text.ts';
import { type Html, html } from './html.ts';

/** Where the browser takes the answer: a host on the web, this very computer, or an app by its private URI scheme. */
export type RedirectHost =
  | Readonly<{ kind: 'web'; host: string }>
  | Readonly<{ kind: 'loopback'; host: string }>
  | Readonly<{ kind: 'private-use'; scheme: string }>;

/** Says in plain words who receives the access (AS-31). */
export function redirectTarget(target: RedirectHost): Html {
  switch (target.kind) {
    case 'web':
      return html`<strong>${foreignText(target.host)}</strong>`;
    case 'loopback':
      return html`this computer (${foreignText(target.host)})`;
    case 'private-use':
      return html`the app registered for ${foreignText(withColon(target.scheme))} on this device`;
  }
}

/** What {@link redirectWarning} judges by. */
export type RedirectRisk = Readonly<{ redirectHost: RedirectHost; loopbackOnly: boolean }>;

/** Warns where a redirect cannot show which program receives the access (AS-32); otherwise nothing. */
export function redirectWarning({ redirectHost, loopbackOnly }: RedirectRisk): Html {
  if (loopbackOnly || redirectHost.kind === 'loopback')
    return warning('Any program on this computer could have asked for this.');
  if (redirectHost.kind === 'private-use') return warning('Any app on this device could have asked for this.');
  return html``;
}

function warning(reason: string): Html {
  return html`<div class="notice" role="note">
<p><strong>Did you start this yourself?</strong> ${reason} Allow it only if you were just connecting this app.</p>
</div>`;
}

function withColon(scheme: string): string {
  return scheme.endsWith(':') ? scheme : `${scheme}:`;
}
