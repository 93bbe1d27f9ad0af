import { adminResourceUrl, isLoopbackHost } from '@portcullis/platform';
import type { Site } from './site.ts';

const LONGEST_URL = 2048;

/**
 * Why a URL cannot be the canonical URL of a resource, in words that go on after its name; undefined when it can.
 * Whether there is a resource at it already, and whether it is this server's own, is not looked at.
 */
export function resourceUrlProblem(text: string): string | undefined {
  if (text.length > LONGEST_URL) return `is longer than ${LONGEST_URL} characters`;
  if (!URL.canParse(text) || text.includes('#')) {
    return 'must be an absolute URL without a fragment (RFC 8707 §2, SP-20)';
  }
  const url = new URL(text);
  if (url.protocol !== 'https:' && !(url.protocol === 'http:' && isLoopbackHost(url.hostname))) {
    return 'must use https; plain http is allowed on a loopback host (localhost, 127.0.0.1) only';
  }
  if (url.username || url.password) return 'must have no user name and no password';
  if (text.includes('\\')) return 'must have no backslash';
  const canonical = canonicalForm(url);
  return text === canonical ? undefined : `must be in canonical form, which is ${canonical}`;
}

function canonicalForm(url: URL): string {
  return url.pathname === '/' && url.search === '' ? url.origin : url.href;
}

/** Whether a URL is this server itself, or its administration: their tokens are nobody else's. */
export function isOwnUrl(text: string, { issuer }: Site): boolean {
  const { origin, pathname } = new URL(text);
  const place = `${origin}${pathname}`.replace(/\/$/, '');
  const admin = adminResourceUrl(issuer);
  return place === issuer || place === admin || place.startsWith(`${admin}/`);
}

/**
 * What is the same for all spellings of a resource's URL that are forgiven: case of scheme and host, a default port,
 * and one trailing slash (AS-15). Undefined for what can be no resource.
 */
export function resourceIdentifier(text: string): string | undefined {
  if (!URL.canParse(text) || text.includes('#')) return undefined;
  const url = new URL(text);
  if (url.username || url.password) return undefined;
  return `${url.origin}${url.pathname.replace(/\/$/, '')}${url.search}`;
}
