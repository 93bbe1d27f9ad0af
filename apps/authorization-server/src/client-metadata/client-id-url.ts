const MAX_LENGTH = 2048;

/** Whether a client id is meant to be the URL of a metadata document: no id that this server makes begins so (AS-38). */
export function looksLikeClientIdUrl(clientId: string): boolean {
  return /^https:/i.test(clientId);
}

/**
 * Whether a client id is a URL that a metadata document may have (AS-28): https, a path, no dot segments, no fragment,
 * no user name, and in the very spelling that a URL parser gives it, so that it has one spelling alone.
 */
export function isClientIdUrl(clientId: string): boolean {
  if (clientId.length > MAX_LENGTH || !URL.canParse(clientId)) return false;
  const url = new URL(clientId);
  if (url.protocol !== 'https:' || url.username || url.password || url.pathname === '/') return false;
  // The same host under another name would slip past a list of hosts.
  if (url.hostname.endsWith('.')) return false;
  return url.href === clientId && !clientId.includes('#') && !hasDotSegment(clientId);
}

function hasDotSegment(clientId: string): boolean {
  return /\/(\.|%2e){1,2}(\/|\?|$)/i.test(clientId);
}
