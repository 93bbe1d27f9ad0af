import { isIP } from 'node:net';

const MAX_LENGTH = 2048;
const HTTPS_PORT = 443;

/**
 * The URL, when it is one that this server may fetch by its form: https, a host by name, port 443 or one of `ports`,
 * no user name; or any at an origin of `trusted`. A URL parser turns decimal, octal and hexadecimal spellings of an address into the dotted one first.
 */
export function fetchTarget(
  text: string,
  { ports, trusted }: { ports: readonly number[]; trusted: readonly string[] },
): URL | undefined {
  if (text.length > MAX_LENGTH || !URL.canParse(text)) return undefined;
  const url = new URL(text);
  if (trusted.includes(url.origin)) return url.username === '' && url.password === '' ? url : undefined;
  if (url.protocol !== 'https:' || url.username !== '' || url.password !== '') return undefined;
  if (isIP(url.hostname.replace(/^\[|\]$/g, '')) !== 0 || url.hostname.startsWith('[')) return undefined;
  const port = url.port === '' ? HTTPS_PORT : Number(url.port);
  return port === HTTPS_PORT || ports.includes(port) ? url : undefined;
}
