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

/** Schemes that the system acts on by itself, so that no app can own them. */
const SYSTEM_SCHEMES = [
  ...['javascript', 'vbscript', 'data', 'file', 'blob', 'about', 'filesystem', 'view-source', 'jar', 'res', 'urn'],
  ...['ws', 'wss', 'ftp', 'ftps', 'sftp', 'smb', 'ssh', 'telnet', 'ldap', 'ldaps', 'news', 'nntp', 'gopher', 'ipfs'],
  ...['mailto', 'tel', 'sms', 'smsto', 'sip', 'xmpp', 'irc', 'ircs', 'magnet', 'webcal', 'feed', 'feeds'],
  ...['intent', 'android-app', 'search', 'search-ms', 'shell', 'hcp', 'shortcuts', 'applescript', 'itms-services'],
  'x-apple.systempreferences',
];

/** Schemes that start a browser: the page that they open receives the code, and nobody is shown which it is. */
const BROWSER_SCHEMES = [
  ...['chrome', 'googlechrome', 'googlechromes', 'googlechrome-x-callback', 'edge', 'microsoft-edge'],
  ...['microsoft-edge-holographic', 'firefox', 'firefox-focus', 'firefox-klar', 'safari', 'opera', 'brave', 'vivaldi'],
  ...['duckduckgo', 'ddgquicklink'],
];

const RESERVED_SCHEMES: ReadonlySet<string> = new Set([...SYSTEM_SCHEMES, ...BROWSER_SCHEMES]);

/**
 * Families of them: `opera-https` and the like, what a web page may register for itself (`web+`), and what belongs to
 * Windows, whose packaged apps are called back at `ms-app` and `ms-appx-web`.
 */
const RESERVED_FAMILIES = /^(.*[.+-])?https?$|^web\+|^ms-(?!app$|appx-web$)/;

/** Whether a text is an absolute URI. It is ASCII without white space (RFC 3986 §2); browsers forgive more than that. */
export function isUri(text: string): boolean {
  return /^[\x21-\x7e]+$/.test(text) && URL.canParse(text);
}

/**
 * Says where a redirect URI leads; `undefined` for one that must never be used (AS-41, RFC 8252 §7).
 *
 * Over https too, a host of this computer proves nothing about which program listens there. Plain http is for the three
 * names of loopback whose port may vary.
 */
export function redirectTarget(uri: string): RedirectTarget | undefined {
  if (uri.length > MAX_LENGTH || uri.includes('\\') || uri.includes('#') || !isUri(uri)) return undefined;
  const { protocol, hostname, host, username, password } = new URL(uri);
  if (username || password) return undefined;
  if (protocol === 'https:') {
    if (hostname.includes('*')) return undefined;
    return isThisComputer(hostname) ? { kind: 'loopback', host: hostname } : { kind: 'web', host };
  }
  if (protocol === 'http:') return LOOPBACK_NAMES.has(hostname) ? { kind: 'loopback', host: hostname } : undefined;
  const scheme = protocol.slice(0, -1);
  const isReserved = RESERVED_SCHEMES.has(scheme) || RESERVED_FAMILIES.test(scheme) || carriesUrl(uri);
  return isReserved ? undefined : { kind: 'private-use', scheme };
}

const LOOPBACK_NAMES: ReadonlySet<string> = new Set(['localhost', '127.0.0.1', '[::1]']);

/** Whether a browser connects to this computer under that name. */
function isThisComputer(hostname: string): boolean {
  const name = hostname.replace(/\.$/, '');
  const isMapped = /^\[::ffff:7f[0-9a-f]{2}:/.test(name);
  return isLoopbackHost(name) || name.endsWith('.localhost') || ['0.0.0.0', '[::]'].includes(name) || isMapped;
}

/** Whether what follows the scheme is a web address, which the app would only pass on to. */
function carriesUrl(uri: string): boolean {
  return /^[^:]+:\/*https?(:|%3a)/i.test(uri);
}

/** Whether only an app that is installed can be called back there, which makes the client a native one. */
function isOfApp(uri: string): boolean {
  const kind = redirectTarget(uri)?.kind;
  return kind === 'private-use' || (kind === 'loopback' && isPlainHttp(uri));
}

function isPlainHttp(uri: string): boolean {
  return new URL(uri).protocol === 'http:';
}

/**
 * Keeps the redirect URIs that can be used. One bad URI does not cost a client its registration, since real clients
 * register several at once; the answer shows which were kept. What is kept the engine takes: of a native app, it takes
 * no https on loopback.
 */
export function chooseRedirectUris(asked: unknown): ChosenRedirectUris {
  if (!Array.isArray(asked) || asked.length === 0)
    return { ok: false, description: 'redirect_uris must list at least one URI' };
  if (asked.length > MAX_URIS) return { ok: false, description: `redirect_uris may list at most ${MAX_URIS} URIs` };
  const usable = [...new Set(asked)].filter((uri) => typeof uri === 'string' && redirectTarget(uri) !== undefined);
  const native = usable.some(isOfApp);
  const uris = usable.filter((uri) => !native || isOfApp(uri) || redirectTarget(uri)?.kind === 'web');
  if (uris.length === 0) {
    return {
      ok: false,
      description:
        'redirect_uris must be https, http on localhost, 127.0.0.1 or [::1], or a scheme that the app owns, without user name or fragment',
    };
  }
  return { ok: true, uris, native };
}
