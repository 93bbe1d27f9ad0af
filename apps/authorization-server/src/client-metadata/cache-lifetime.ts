/** A document is looked at again after a minute at the soonest, and after a day at the latest (AS-27). */
const BOUNDS = { minSeconds: 60, maxSeconds: 24 * 3600 };

/** How long to wait after a failure when the origin does not say: so at most three tries fall into a minute. */
const RETRY = { minSeconds: 30, maxSeconds: 3600 };

/** The headers of an answer, by lower-case name. */
type Headers = (name: string) => string | undefined;

/** For how many seconds an answer is fresh by its headers (RFC 9111 §4.2.1), within our bounds; no word means a minute. */
export function freshForSeconds(header: Headers, now: Date): number {
  return within(BOUNDS, statedSeconds(header, now) ?? BOUNDS.minSeconds);
}

/** After how many seconds to try again (RFC 9110 §10.2.3), within our bounds. */
export function retryAfterSeconds(header: Headers, now: Date): number {
  const value = header('retry-after') ?? '';
  const seconds = /^\d{1,9}$/.test(value) ? Number(value) : secondsUntil(value, now);
  return within(RETRY, seconds ?? RETRY.minSeconds);
}

function statedSeconds(header: Headers, now: Date): number | undefined {
  const directives = (header('cache-control') ?? '')
    .toLowerCase()
    .split(',')
    .map((part) => part.trim());
  if (directives.includes('no-store') || directives.includes('no-cache')) return 0;
  // This cache is shared by all users, so s-maxage is for it.
  for (const name of ['s-maxage', 'max-age']) {
    const value = directives.find((directive) => directive.startsWith(`${name}=`))?.slice(name.length + 1);
    if (value !== undefined && /^"?\d{1,9}"?$/.test(value)) {
      const age = Number(/^\d{1,9}$/.exec(header('age') ?? '')?.[0] ?? 0);
      return Number(value.replaceAll('"', '')) - age;
    }
  }
  return secondsUntil(header('expires') ?? '', now);
}

function secondsUntil(date: string, now: Date): number | undefined {
  const time = Date.parse(date);
  return Number.isNaN(time) ? undefined : Math.floor((time - now.getTime()) / 1000);
}

function within({ minSeconds, maxSeconds }: { minSeconds: number; maxSeconds: number }, seconds: number): number {
  return Math.max(minSeconds, Math.min(maxSeconds, seconds));
}
