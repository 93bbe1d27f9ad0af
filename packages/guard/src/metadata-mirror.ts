import { fetchIssuerMetadata } from './issuer-metadata.ts';
import type { GuardSettings } from './options.ts';
import { publicDocument } from './public-document.ts';
import { createRefreshed } from './refreshed.ts';

/** Where clients of the 2025-03-26 protocol look for the issuer's metadata. */
export const MIRRORED_PATH = '/.well-known/oauth-authorization-server';

/**
 * Serves a copy of the issuer's metadata at the resource's origin, where clients of the 2025-03-26 protocol look.
 * The copy is fetched when it is asked for and kept as the keys are, so that callers cannot make us hammer the
 * issuer. Answers undefined for other paths, and always when the mirror is off.
 */
export function createMetadataMirror(settings: GuardSettings): (request: Request) => Promise<Response | undefined> {
  const { issuer, fetch, keys, now } = settings;
  const copy = createRefreshed(() => fetchIssuerMetadata(issuer, { fetch, timeoutMs: keys.timeoutMs }), keys, now);
  return async (request) => {
    if (!settings.mirrorIssuerMetadata || new URL(request.url).pathname !== MIRRORED_PATH) return undefined;
    const lookup = await copy.current();
    if (lookup.ok) return publicDocument(request, lookup.value, 60);
    return new Response(null, { status: 503, headers: { 'retry-after': String(lookup.retryAfterSeconds) } });
  };
}
