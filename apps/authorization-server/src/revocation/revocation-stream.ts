import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import type { LoggedRevocation, RevocationLog } from '@portcullis/persistence';
import type { Clock } from '@portcullis/platform';
import { heartbeatEvent, revocationsEvent } from './event-stream.ts';
import type { FeedNews, RevocationFeed } from './revocation-feed.ts';

/** One resource server that listens. */
export type RevocationStream = {
  response: ServerResponse;
  resource: string;
  /** From where on it has not been told, if it was told anything. */
  resumeAt: bigint | undefined;
  /** Whether it may go on listening; asked at every heartbeat. */
  mayListen(): Promise<boolean>;
  /** Ends the stream from outside. */
  signal: AbortSignal;
};

/** What a stream is fed from. */
export type RevocationStreamDeps = { feed: RevocationFeed; log: RevocationLog; clock: Clock };

const HEARTBEAT_MS = 2000;
const PAGE_ROWS = 500;
/** Who reads so slowly is cut off: it connects again, and is told what it missed. */
const UNSENT_LIMIT_BYTES = 1024 * 1024;
const DRAIN_TIMEOUT_MS = 30_000;

/**
 * Sends a resource server what concerns its own tokens: first all that still matters, then what comes, and heartbeats.
 * Resolves when the stream has ended, for whatever reason. Without a good reading of the database there is no
 * heartbeat, so that the listener knows that it may not know.
 */
export async function streamRevocations(stream: RevocationStream, deps: RevocationStreamDeps): Promise<void> {
  try {
    await sendAll(stream, { ...deps, ended: endOf(stream) });
  } finally {
    stream.response.end();
  }
}

async function sendAll(stream: RevocationStream, deps: RevocationStreamDeps & { ended: Ended }): Promise<void> {
  const held: FeedNews[] = [];
  let live: ((news: FeedNews) => void) | undefined;
  const listener = (news: FeedNews) => {
    if (live) live(news);
    else held.push(withOwn(news, stream));
  };
  const { watermark, unsubscribe } = await deps.feed.subscribe(listener);
  try {
    await sendKnown(stream, { ...deps, watermark });
    const heartbeat = heartbeats(stream, deps);
    live = (news) => {
      send(stream, withOwn(news, stream));
      void heartbeat(news.watermark);
    };
    for (const news of held) send(stream, news);
    void heartbeat(held.at(-1)?.watermark ?? watermark);
    await deps.ended.promise;
  } finally {
    unsubscribe();
  }
}

type Ended = { promise: Promise<void>; signal: AbortSignal; end(): void };

function endOf({ response, signal }: RevocationStream): Ended {
  const controller = new AbortController();
  const promise = new Promise<void>((resolve) => {
    controller.signal.addEventListener('abort', () => resolve());
  });
  const end = () => {
    // The signal lives as long as the process, and would hold on to every stream that there was.
    signal.removeEventListener('abort', end);
    controller.abort();
  };
  response.once('close', end);
  signal.addEventListener('abort', end, { once: true });
  if (response.destroyed || signal.aborted) end();
  return { promise, signal: controller.signal, end };
}

function withOwn(news: FeedNews, { resource }: RevocationStream): FeedNews {
  return { ...news, revocations: news.revocations.filter((revocation) => revocation.resource === resource) };
}

function send({ response }: RevocationStream, { revocations, watermark }: FeedNews): void {
  if (revocations.length === 0 || response.destroyed) return;
  response.write(revocationsEvent(revocations, watermark));
  if (response.writableLength > UNSENT_LIMIT_BYTES) response.destroy();
}

/** Sends what was revoked before, page by page, at the pace of the reader; without ids, for it is whole only at its end. */
async function sendKnown(
  { response, resource, resumeAt }: RevocationStream,
  { log, clock, watermark, ended }: RevocationStreamDeps & { watermark: bigint; ended: Ended },
): Promise<void> {
  // A position that lies ahead is from another database: then everything is told again.
  const from = resumeAt !== undefined && resumeAt <= watermark ? resumeAt : undefined;
  let page: LoggedRevocation[] = [];
  do {
    page = await log.list({ resource, from, after: page.at(-1)?.id, limit: PAGE_ROWS, now: clock() });
    if (ended.signal.aborted) return;
    if (page.length === 0 || response.write(revocationsEvent(page))) continue;
    const tooSlow = AbortSignal.timeout(DRAIN_TIMEOUT_MS);
    await once(response, 'drain', { signal: AbortSignal.any([ended.signal, tooSlow]) }).catch(() => response.destroy());
  } while (page.length === PAGE_ROWS);
}

/** Sends a heartbeat when one is due; ends the stream of one who may not listen any more. */
function heartbeats(
  stream: RevocationStream,
  { clock, ended }: { clock: Clock; ended: Ended },
): (watermark: bigint) => Promise<void> {
  const { response } = stream;
  let sentAtMs = Number.NEGATIVE_INFINITY;
  return async (watermark) => {
    const nowMs = performance.now();
    if (response.destroyed || nowMs - sentAtMs < HEARTBEAT_MS - 100) return;
    sentAtMs = nowMs;
    const mayListen = await stream.mayListen().catch(() => undefined);
    // Not by ending the answer alone: while its reader does not read it stays open, and writing to it would be a fault.
    if (mayListen === false) ended.end();
    else if (mayListen && !response.writableEnded) response.write(heartbeatEvent(watermark, clock()));
  };
}
