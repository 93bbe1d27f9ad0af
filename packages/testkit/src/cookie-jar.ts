/** The cookies of one browser, for loopback servers: ports and the Secure attribute play no part, path and age do. */
export type CookieJar = {
  /** Takes the `Set-Cookie` headers of an answer from `url`. */
  store(url: URL, setCookies: readonly string[] | undefined): void;
  /** The `Cookie` header for `url`, or undefined when no cookie fits. */
  header(url: URL): string | undefined;
  /** Name and value of every cookie that is held. */
  entries(): { name: string; value: string; path: string }[];
};

type Cookie = { name: string; value: string; path: string };

/** Makes an empty jar. */
export function createCookieJar(): CookieJar {
  const cookies = new Map<string, Cookie>();
  return {
    store(url, setCookies = []) {
      for (const line of setCookies) {
        const { cookie, isExpired } = parseSetCookie(url, line);
        const key = `${cookie.path} ${cookie.name}`;
        if (isExpired) cookies.delete(key);
        else cookies.set(key, cookie);
      }
    },
    header(url) {
      const fitting = [...cookies.values()]
        .filter((cookie) => matchesPath(url.pathname, cookie.path))
        // The one that was set for the longer path comes first, as in browsers (RFC 6265 section 5.4).
        .sort((a, b) => b.path.length - a.path.length);
      return fitting.length === 0 ? undefined : fitting.map(({ name, value }) => `${name}=${value}`).join('; ');
    },
    entries: () => [...cookies.values()],
  };
}

function parseSetCookie(url: URL, line: string): { cookie: Cookie; isExpired: boolean } {
  const [pair = '', ...rest] = line.split(';').map((part) => part.trim());
  const attributes = new Map(rest.map((part) => splitOnce(part)).map(([name, value]) => [name.toLowerCase(), value]));
  const [name, value] = splitOnce(pair);
  const expires = attributes.get('expires');
  const isExpired = attributes.get('max-age') === '0' || (expires !== undefined && Date.parse(expires) <= Date.now());
  const path = attributes.get('path') ?? url.pathname.replace(/\/[^/]*$/, '');
  return { cookie: { name, value, path: path || '/' }, isExpired };
}

function splitOnce(text: string): [string, string] {
  const at = text.indexOf('=');
  return at === -1 ? [text, ''] : [text.slice(0, at), text.slice(at + 1)];
}

/** RFC 6265 section 5.1.4. */
function matchesPath(requestPath: string, cookiePath: string): boolean {
  if (!requestPath.startsWith(cookiePath)) return false;
  return requestPath.length === cookiePath.length || cookiePath.endsWith('/') || requestPath[cookiePath.length] === '/';
}
