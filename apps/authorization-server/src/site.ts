/** Where the authorization server lives, as clients and browsers see it. */
export type Site = {
  /** The issuer, exactly as configured: clients compare it as a string (RFC 9207, RFC 8414 §3.3). */
  issuer: string;
  /** Scheme, host and port of the issuer. */
  origin: string;
  /** The only `Host` header that is answered. */
  host: string;
  /** The issuer's path without a trailing slash; empty when the issuer has none. */
  basePath: string;
  /** Whether browsers reach it over https. */
  secure: boolean;
};

/** Takes an issuer apart. The string itself is kept as it stands. */
export function siteOf(issuer: string): Site {
  const url = new URL(issuer);
  return {
    issuer,
    origin: url.origin,
    host: url.host,
    basePath: url.pathname.replace(/\/+$/, ''),
    secure: url.protocol === 'https:',
  };
}

/** The absolute URL of one of our own pages, such as `/setup`. */
export function pageUrl(site: Site, path: string): string {
  return `${site.origin}${site.basePath}${path}`;
}
