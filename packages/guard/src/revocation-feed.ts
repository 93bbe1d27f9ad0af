import { basicAuthorization } from './client-credentials.ts';
import { type FeedPolicy, isClosed, STALE_AFTER_MS, silenceMs } from './feed-freshness.ts';
import { fetchIssuerMetadata } from './issuer-metadata.ts';
import type { Principal } from './principal.ts';
import type { TokenRefusal } from './refusal.ts';
import { type FeedEvent, readFeed } from './revocation-events.ts';
import { createRevokedGrants, type GrantRevocation } from './revoked-grants.ts';
import { isProtected } from './web-address.ts';

/** How a guard hears of revocations. `eventsUrl` skips the issuer's metadata. */
export type RevocationSettings = Readonly<{
  issuer: string;
  clientId: string;
  clientSecret: string;
  eventsUrl: string | undefined;
  policy: FeedPolicy;
  fetch: typeof globalThis.fetch;
}>;

/** What a guard knows of revocations, for a metric. */
export type RevocationMetrics = Readonly<{
  /** `until-expiry` for a guard without credentials: it takes revoked tokens until they expire. */
  mode: 'feed' | 'until-expiry';
  /** Whether everything that was revoked six seconds ago, or earlier, is known. */
  fresh: boolean;
  /** Seconds since the last heartbeat; undefined while there was none. */
  ageSeconds: number | undefined;
  /** Whether every token is refused, because nothing was heard for longer than `failClosedAfterSeconds`. */
  closed: boolean;
  /** How many grants are refused. */
  revokedGrants: number;
}>;

/** A change that an operator should know of, told when it happens. */
export type RevocationFeedChange =
  | Readonly<{ state: 'until-expiry' }>
  | Readonly<{ state: 'fresh' }>
  | Readonly<{ state: 'interrupted'; cause: unknown }>;

/** Listens to the issuer's revocations. */
export type RevocationFeed = {
  /** Judges a verified token by what is known now. */
  judge(principal: Principal): Promise<TokenRefusal | undefined>;
  metrics(): RevocationMetrics;
  /** Ends listening. What was heard stays known. */
  close(): void;
};

const FIRST_ANSWER_MS = 3000;
const FIRST_RETRY_MS = 250;
const LAST_RETRY_MS = 10_000;
const CLOSED_RETRY_SECONDS = 5;

type Deps = {
  now: () => Date;
  onChange: (change: RevocationFeedChange) => void;
  /** Told of all that is heard, before it counts. */
  onRevoked: (revocations: readonly GrantRevocation[]) => void;
};

/** Takes every token that was verified: of a guard that was given no credentials. */
export function withoutFeed({ onChange }: Pick<Deps, 'onChange'>): RevocationFeed {
  onChange({ state: 'until-expiry' });
  return {
    judge: async () => undefined,
    metrics: () => ({ mode: 'until-expiry', fresh: false, ageSeconds: undefined, closed: false, revokedGrants: 0 }),
    close: () => undefined,
  };
}

/**
 * Connects at once, and again whenever the connection ends or falls silent. The first tokens wait until the issuer has
 * told what it has to tell, or for three seconds.
 */
export function listenToFeed(settings: RevocationSettings, { now, onChange, onRevoked }: Deps): RevocationFeed {
  const revoked = createRevokedGrants();
  const closing = new AbortController();
  let answered = () => {};
  const firstAnswer = new Promise<void>((resolve) => (answered = resolve));
  const startedAt = now();
  let heardAt: Date | undefined;
  let lastEventId: string | undefined;
  let isFresh = false;
  let told: string | undefined;

  function hear(event: FeedEvent): void {
    if (event.type === 'revocations') {
      onRevoked(event.revocations);
      revoked.add(event.revocations, now());
    }
    lastEventId = event.id ?? lastEventId;
    if (event.type !== 'heartbeat') return;
    heardAt = now();
    revoked.prune(heardAt);
    answered();
    if (!isFresh) onChange({ state: 'fresh' });
    isFresh = true;
    told = undefined;
  }

  function interrupted(cause: unknown): void {
    answered();
    isFresh = false;
    // The same cause is told once, however often it stops us.
    if (String(cause) === told) return;
    told = String(cause);
    onChange({ state: 'interrupted', cause });
  }

  async function listen(): Promise<void> {
    for (let failures = 0; !closing.signal.aborted; ) {
      try {
        for await (const event of connect(settings, { lastEventId, signal: closing.signal })) {
          hear(event);
          if (event.type === 'heartbeat') failures = 0;
        }
        throw new Error('the issuer has ended the stream');
      } catch (cause) {
        if (closing.signal.aborted) return;
        failures += 1;
        interrupted(cause);
      }
      await pause(retryDelayMs(failures), closing.signal);
    }
  }

  const firstTimer = setTimeout(answered, FIRST_ANSWER_MS);
  void firstAnswer.then(() => clearTimeout(firstTimer));
  void listen();

  return {
    async judge(principal) {
      await firstAnswer;
      if (principal.grantId === undefined) return { reason: 'malformed_claims' };
      // Of a personal access token the issuer itself has just said what is left; what it said earlier was forgotten.
      if (principal.credential === 'access_token' && revoked.covers(principal)) return { reason: 'revoked' };
      if (!isClosed(settings.policy, heardAt ?? startedAt, now())) return undefined;
      return { reason: 'revocation_unknown', retryAfterSeconds: CLOSED_RETRY_SECONDS };
    },
    metrics() {
      const silentMs = heardAt && silenceMs(heardAt, now());
      return {
        mode: 'feed',
        fresh: silentMs !== undefined && silentMs <= STALE_AFTER_MS,
        ageSeconds: silentMs === undefined ? undefined : silentMs / 1000,
        closed: isClosed(settings.policy, heardAt ?? startedAt, now()),
        revokedGrants: revoked.size,
      };
    },
    close() {
      closing.abort();
      answered();
    },
  };
}

/** Half of the time is left to chance, so that the servers of one issuer do not all come back at once. */
function retryDelayMs(failures: number): number {
  const longest = Math.min(LAST_RETRY_MS, FIRST_RETRY_MS * 2 ** (failures - 1));
  return longest * (0.5 + Math.random() / 2);
}

/** The events of one connection, which ends when nothing has come for six seconds. */
async function* connect(
  settings: RevocationSettings,
  { lastEventId, signal }: { lastEventId: string | undefined; signal: AbortSignal },
): AsyncGenerator<FeedEvent> {
  const silent = new AbortController();
  const watch = () => setTimeout(() => silent.abort(new Error('the feed has fallen silent')), STALE_AFTER_MS);
  let watchdog = watch();
  const either = AbortSignal.any([signal, silent.signal]);
  try {
    const response = await settings.fetch(await eventsUrl(settings), {
      headers: {
        accept: 'text/event-stream',
        authorization: basicAuthorization(settings),
        ...(lastEventId !== undefined && { 'last-event-id': lastEventId }),
      },
      redirect: 'manual',
      cache: 'no-store',
      signal: either,
    });
    if (response.status !== 200 || response.body === null) throw await unexpected(response);
    for await (const event of readFeed(response.body)) {
      clearTimeout(watchdog);
      watchdog = watch();
      yield event;
    }
  } finally {
    clearTimeout(watchdog);
    silent.abort();
  }
}

async function unexpected(response: Response): Promise<Error> {
  await response.body?.cancel();
  const advice = response.status === 401 ? '; check the client id and secret of this resource server' : '';
  return new Error(`the revocation feed answers with status ${response.status}${advice}`);
}

async function eventsUrl({ issuer, eventsUrl: given, fetch }: RevocationSettings): Promise<string> {
  const url =
    given ?? (await fetchIssuerMetadata(issuer, { fetch, timeoutMs: STALE_AFTER_MS })).revocation_events_endpoint;
  if (typeof url !== 'string') throw new Error('the issuer names no revocation_events_endpoint');
  if (!URL.canParse(url) || !isProtected(new URL(url))) throw new Error('the feed is neither https nor loopback');
  return url;
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(done, ms);
    function done() {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    }
    signal.addEventListener('abort', done);
  });
}
