import { createParser, type EventSourceMessage } from 'eventsource-parser';
import { isObject } from './fetch-json.ts';
import type { GrantRevocation } from './revoked-grants.ts';

/** What the issuer's feed says, one event after the other. */
export type FeedEvent = Readonly<{ id: string | undefined }> &
  (
    | Readonly<{ type: 'revocations'; revocations: readonly GrantRevocation[] }>
    | Readonly<{ type: 'heartbeat' }>
    | Readonly<{ type: 'unknown' }>
  );

const LIMIT_CHARACTERS = 1024 * 1024;

/**
 * Reads a stream of server-sent events up to its end.
 *
 * @throws Error for an event that cannot be read: what it said would be missing
 * @see https://html.spec.whatwg.org/multipage/server-sent-events.html
 */
export async function* readFeed(body: ReadableStream<Uint8Array>): AsyncGenerator<FeedEvent> {
  const messages: EventSourceMessage[] = [];
  const problems: Error[] = [];
  const parser = createParser({
    maxBufferSize: LIMIT_CHARACTERS,
    onEvent: (message) => messages.push(message),
    onError: (problem) => {
      // Fields that are added to the format some day do no harm.
      if (problem.type === 'max-buffer-size-exceeded') problems.push(problem);
    },
  });
  const decoder = new TextDecoder();
  for await (const chunk of body) {
    parser.feed(decoder.decode(chunk, { stream: true }));
    for (const message of messages.splice(0)) yield toEvent(message);
    if (problems[0]) throw problems[0];
  }
}

function toEvent({ event, id, data }: EventSourceMessage): FeedEvent {
  if (event === 'heartbeat') return { type: 'heartbeat', id };
  if (event !== 'revocations') return { type: 'unknown', id };
  const list: unknown = JSON.parse(data);
  if (!Array.isArray(list)) throw new Error('a revocation event holds no list');
  return { type: 'revocations', id, revocations: list.map(toRevocation) };
}

function toRevocation(value: unknown): GrantRevocation {
  if (!isObject(value) || typeof value.gid !== 'string') throw new Error('a revocation names no grant');
  // Whatever else it says: where the moment cannot be read, all tokens of the grant have ended.
  return { gid: value.gid, issuedUntil: typeof value.issued_until === 'number' ? value.issued_until : Infinity };
}
