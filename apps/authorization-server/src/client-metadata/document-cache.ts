import { setTimeout as delay } from 'node:timers/promises';
import type { RemoteDocument, RemoteDocumentStore } from '@portcullis/persistence';
import type { Clock, Logger } from '@portcullis/platform';
import type { Egress } from '../egress/egress.ts';
import { type AnswerReader, type FetchOutcome, judgeFetch } from './fetch-outcome.ts';

/** A document as it can be used now, or why it cannot. */
type CachedDocument =
  | { kind: 'fresh'; body: string }
  /** The origin cannot be asked at the moment; this is what it said last. */
  | { kind: 'stale'; body: string; reason: string }
  | { kind: 'unreachable'; reason: string }
  /** Nobody asked the origin, because this server fetches enough as it is. */
  | { kind: 'busy'; reason: string }
  | { kind: 'withdrawn'; reason: string };

/** How long what was fetched may be used. */
export type CacheLimits = {
  /** However long the origin says that it is fresh. */
  maxFreshSeconds: number;
  /** However soon the origin says that it is not; a minute by default. */
  minFreshSeconds?: number;
  /** How old a copy may be that serves while the origin cannot be asked. */
  maxStaleSeconds: number;
};

/** What a cache is made with. */
export type DocumentCacheDeps = { store: RemoteDocumentStore; egress: Egress; clock: Clock; log: Logger };

/** How a document is asked for. */
type Asking = {
  reader: AnswerReader;
  /** Asked before this request causes a fetch. */
  admit?: (() => Promise<boolean>) | undefined;
  /** Whether a fresh copy has what it is wanted for; one that does not is fetched anew, but not all the time. */
  suffices?: (body: string) => boolean;
};

/** Gets a document. */
export type DocumentCache = (url: string, asking: Asking) => Promise<CachedDocument>;

const BUSY: CachedDocument = { kind: 'busy', reason: 'too many documents are being fetched at the moment' };

/** How old a fresh copy has to be before it is fetched anew because of what it lacks, in seconds. */
const REFETCH_AFTER_SECONDS = 30;

/** A fetch ends sooner; a replica that died in the middle of one holds the others up no longer than this. */
const LEASE_SECONDS = 10;
const WAIT_MS = 7000;
const POLL_MS = 50;
/** How long a failure is remembered after the time at which it may be tried again, in seconds. */
const FAILURE_KEPT_SECONDS = 600;

/**
 * Makes a cache over the database. However many requests wait for a document, on however many replicas, one fetches it;
 * a failure is remembered until it may be tried again.
 */
export function createDocumentCache(deps: DocumentCacheDeps, limits: CacheLimits): DocumentCache {
  const { store, clock } = deps;
  const underWay = new Map<string, Promise<CachedDocument>>();
  return async (url, { reader, admit, suffices }) => {
    const now = clock();
    const known = settled(await store.find(url), { now, limits });
    const lacks = known?.kind === 'fresh' && suffices?.(known.body) === false;
    if (known && !(lacks && (await store.expire({ url, fetchedBefore: after(now, -REFETCH_AFTER_SECONDS), now }))))
      return known;
    const running = underWay.get(url);
    if (running) return running;
    const refreshed = refresh(url, { deps, limits, reader, admit }).finally(() => underWay.delete(url));
    underWay.set(url, refreshed);
    return refreshed;
  };
}

type Moment = { now: Date; limits: CacheLimits };

/** What can be said without a fetch; undefined when it takes one. */
function settled(stored: RemoteDocument | undefined, moment: Moment): CachedDocument | undefined {
  if (!stored) return undefined;
  const { now } = moment;
  if (stored.body !== undefined && stored.freshUntil && stored.freshUntil > now)
    return { kind: 'fresh', body: stored.body };
  if (!stored.nextFetchAt || stored.nextFetchAt <= now) return undefined;
  return withoutFetch(stored, moment);
}

/** What serves while the origin is not, or cannot be, asked. */
function withoutFetch(stored: RemoteDocument, { now, limits }: Moment): CachedDocument {
  const [kind, ...words] = (stored.failure ?? 'unreachable').split(' ');
  const reason = words.join(' ');
  if (kind === 'withdrawn') return { kind, reason };
  const { body, fetchedAt } = stored;
  const usableUntil = fetchedAt ? fetchedAt.getTime() + limits.maxStaleSeconds * 1000 : 0;
  if (body !== undefined && usableUntil > now.getTime()) return { kind: 'stale', body, reason };
  return { kind: 'unreachable', reason };
}

type Refresh = {
  deps: DocumentCacheDeps;
  limits: CacheLimits;
  reader: AnswerReader;
  admit: (() => Promise<boolean>) | undefined;
};

async function refresh(url: string, { deps, limits, reader, admit }: Refresh): Promise<CachedDocument> {
  const { store, clock } = deps;
  const giveUpAt = performance.now() + WAIT_MS;
  let mayFetch: boolean | undefined;
  for (;;) {
    mayFetch ??= admit ? await admit() : true;
    const now = clock();
    if (mayFetch && (await store.lease({ url, now, until: after(now, LEASE_SECONDS) })))
      return fetchDocument(url, { deps, limits, reader });
    const stored = await store.find(url);
    const known = settled(stored, { now, limits });
    if (known) return known;
    const copy = stored && withoutFetch(stored, { now, limits });
    if (copy?.kind === 'stale') return copy;
    // What the origin's last answer meant still holds where it cannot be asked again.
    if (!mayFetch && copy && stored?.failure !== undefined) return copy;
    if (!mayFetch || performance.now() > giveUpAt) return BUSY;
    await delay(POLL_MS);
  }
}

async function fetchDocument(url: string, { deps, limits, reader }: Omit<Refresh, 'admit'>): Promise<CachedDocument> {
  const { store, clock, log } = deps;
  const outcome = await fetchOutcome(url, { deps, reader });
  const now = clock();
  switch (outcome.kind) {
    case 'document':
      await store.saveBody({
        url,
        body: outcome.body,
        now,
        freshUntil: after(now, freshSeconds(outcome.freshForSeconds, limits)),
        expiresAt: after(now, limits.maxStaleSeconds + limits.maxFreshSeconds),
      });
      return { kind: 'fresh', body: outcome.body };
    case 'busy':
      await store.release(url);
      return BUSY;
    default: {
      const { kind, reason, retryAfterSeconds } = outcome;
      const nextFetchAt = after(now, retryAfterSeconds);
      await store.saveFailure({
        url,
        failure: `${kind} ${reason}`,
        withdrawn: kind === 'withdrawn',
        nextFetchAt,
        expiresAt: after(nextFetchAt, FAILURE_KEPT_SECONDS),
      });
      const stored = await store.find(url);
      const left: CachedDocument = stored ? withoutFetch(stored, { now, limits }) : { kind, reason };
      log.warn({ url, reason, retryAfterSeconds, serving: left.kind }, 'a document of a client could not be fetched');
      return left;
    }
  }
}

async function fetchOutcome(
  url: string,
  { deps, reader }: { deps: DocumentCacheDeps; reader: AnswerReader },
): Promise<FetchOutcome> {
  try {
    return judgeFetch(await deps.egress(url), reader, deps.clock());
  } catch (cause) {
    await deps.store.release(url);
    throw cause;
  }
}

function freshSeconds(stated: number, { minFreshSeconds = 0, maxFreshSeconds }: CacheLimits): number {
  return Math.min(Math.max(stated, minFreshSeconds), maxFreshSeconds);
}

function after(moment: Date, seconds: number): Date {
  return new Date(moment.getTime() + seconds * 1000);
}
