import { isLoopbackHost } from '@portcullis/platform';

/** Where a redirect URI leads. */
export type RedirectTarget =
  | { kind: 'web'; host: string }
  | { kind: 'loopback'; host: string }
  | { kind: 'private-use'; scheme: string };

/** The redirect URIs that a registration keeps, and whether they make it a native app (RFC 8252). */
export type ChosenRedirectUris = { ok: true; uris: string[]; native: boolean } | { ok: false; description: string };

const MAX_URIS = 32;
const MAX_LENGTH = 2048;

/** Schemes that a browser or the system acts on by itself, so that no app can own them. */
const RESERVED_SCHEMES = new Set([
  'javascript',
  'vbscript',
  'data',
  'file',
  'blob',
  'about',
  'filesystem',
  'view-source',
  'ws',
  'wss',
  'ftp',
  'mailto',
  'tel',
  'sms',
  'intent',
  'chrome',
  'ms-settings',
  'x-apple.systempreferences',
  'itms-services',
  'ms-appinstaller',
  'ms-msdt',
  'ms-officecmd',
  'search-ms',
  'shell',
  'smb',
  'ssh',
  'telnet',
]);

/** Whether a text is an absolute URI. It is ASCII without white space (RFC 3986 §2); browsers forgive more than that. */
export function isUri(text: string): boolean {
  return /^[\x21-\x7e]+$/.test(text) && URL.canParse(text);
}

/** Says where a redirect URI leads; `undefined` for one that must never be used (AS-41, RFC 8252 §7). */
export function redirectTarget(uri: string): RedirectTarget | undefined {
  if (uri.length > MAX_LENGTH || uri.includes('\\') || uri.includes('#') || !isUri(uri)) return undefined;
  const { protocol, hostname, host, username, password } = new URL(uri);
  if (username || password) return undefined;
  if (protocol === 'https:') return hostname.includes('*') ? undefined : { kind: 'web', host };
  if (protocol === 'http:') return isLoopbackHost(hostname) ? { kind: 'loopback', host: hostname } : undefined;
  const scheme = protocol.slice(0, -1);
  return RESERVED_SCHEMES.has(scheme) ? undefined : { kind: 'private-use', scheme };
}

/**
 * Keeps the redirect URIs that can be used. One bad URI does not cost a client its registration, since real clients
 * register several at once; the answer shows which were kept.
 */
export function chooseRedirectUris(asked: unknown): ChosenRedirectUris {
  if (!Array.isArray(asked) || asked.length === 0)
    return { ok: false, description: 'redirect_uris must list at least one URI' };
  if (asked.length > MAX_URIS) return { ok: false, description: `redirect_uris may list at most ${MAX_URIS} URIs` };
  const uris = [...new Set(asked)].filter((uri) => typeof uri === 'string' && redirectTarget(uri) !== undefined);
  if (uris.length === 0) {
    return {
      ok: false,
      description:
        'redirect_uris must be https, http on a loopback host, or a scheme that the app owns, without user name or fragment',
    };
  }
  return { ok: true, uris, native: uris.some((uri) => redirectTarget(uri)?.kind !== 'web') };
}
