import type { EgressAnswer, EgressResult } from '../egress/egress.ts';
import { freshForSeconds, retryAfterSeconds } from './cache-lifetime.ts';

/**
 * What a fetch means for the client.
 *
 * `unreachable`: the origin could not be asked, so what it said before still counts for a while. `withdrawn`: it was
 * asked, and there is no document that counts; that ends the client at once. `busy`: this server did not ask.
 */
export type FetchOutcome =
  | { kind: 'document'; body: string; freshForSeconds: number }
  | { kind: 'unreachable'; reason: string; retryAfterSeconds: number }
  | { kind: 'withdrawn'; reason: string; retryAfterSeconds: number }
  | { kind: 'busy' };

/** Tells whether a text is acceptable, and otherwise what is wrong with it. */
export type BodyCheck = (text: string) => { ok: true } | { ok: false; problem: string };

/** Reads an answer as the text that is kept of it, or says what is wrong with it. */
export type AnswerReader = {
  /** The most that is fetched, in words. */
  maxSize: string;
  read(answer: EgressAnswer): { ok: true; body: string } | { ok: false; problem: string };
};

const NOT_ASKED = new Set([403, 429]);

/** Judges a fetch. Anything but a network failure, 403, 429 and 5xx is the origin's word, and only 200 is a document (AS-29). */
export function judgeFetch(result: EgressResult, reader: AnswerReader, now: Date): FetchOutcome {
  const never = () => undefined;
  if (!result.ok) {
    if (result.failure === 'busy') return { kind: 'busy' };
    const retry = retryAfterSeconds(never, now);
    if (result.failure === 'too_large')
      return { kind: 'withdrawn', reason: `it is larger than ${reader.maxSize}`, retryAfterSeconds: retry };
    return { kind: 'unreachable', reason: REASONS[result.failure], retryAfterSeconds: retry };
  }
  const { status, header } = result.answer;
  const retry = retryAfterSeconds(header, now);
  if (NOT_ASKED.has(status) || status >= 500)
    return { kind: 'unreachable', reason: `the answer was ${status}`, retryAfterSeconds: retry };
  const withdrawn = (reason: string): FetchOutcome => ({ kind: 'withdrawn', reason, retryAfterSeconds: retry });
  if (status !== 200) return withdrawn(`the answer was ${status}`);
  const read = reader.read(result.answer);
  if (!read.ok) return withdrawn(read.problem);
  return { kind: 'document', body: read.body, freshForSeconds: freshForSeconds(header, now) };
}

/** Reads JSON that passes a check; `maxSize` is what the egress lets through, in words. */
export function jsonReader(check: BodyCheck, maxSize = '5 KB'): AnswerReader {
  return {
    maxSize,
    read({ header, body }) {
      if (!isJson(header('content-type'))) return { ok: false, problem: 'it is not served as JSON' };
      const text = decode(body);
      if (text === undefined) return { ok: false, problem: 'it is not UTF-8' };
      const checked = check(text);
      return checked.ok ? { ok: true, body: text } : checked;
    },
  };
}

const REASONS = {
  url: 'its URL is not one that this server fetches',
  unresolved: 'its host has no address',
  address: 'its host has an address that is not public',
  network: 'its host cannot be reached',
  slow: 'its host took too long',
};

function isJson(contentType: string | undefined): boolean {
  return /^application\/([\w.+-]+\+)?json\s*(;|$)/i.test(contentType?.trim() ?? '');
}

function decode(body: Buffer): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(body);
  } catch {
    return undefined;
  }
}
