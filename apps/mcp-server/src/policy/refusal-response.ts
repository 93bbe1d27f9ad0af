import { JSON_RPC_ERROR, jsonRpcError } from '../http/json-rpc-error.ts';
import type { AdmissionRefusal } from './admission.ts';

/**
 * 429 with `Retry-After`, or 503 where others keep the server busy, in the words of JSON-RPC: clients show the body's
 * message to the model, which then knows to wait.
 *
 * @see RFC 6585 section 4
 */
export function admissionRefused(
  { reason, retryAfterSeconds }: AdmissionRefusal,
  { id, correlationId }: { id: string | number | undefined; correlationId: string },
): Response {
  const { status, text } = wordsFor(reason);
  const message = `${text} Try again in ${retryAfterSeconds} ${retryAfterSeconds === 1 ? 'second' : 'seconds'}.`;
  const code = JSON_RPC_ERROR.limitExceeded;
  return Response.json(
    jsonRpcError({
      ...(id !== undefined && { id }),
      code,
      message,
      correlationId,
      data: { reason, retryAfterSeconds },
    }),
    {
      status,
      headers: { 'Retry-After': String(retryAfterSeconds), 'Cache-Control': 'no-store' },
    },
  );
}

function wordsFor(reason: AdmissionRefusal['reason']): { status: 429 | 503; text: string } {
  switch (reason) {
    case 'tool-calls':
      return { status: 429, text: 'This tool was called too often within a minute.' };
    case 'user-budget':
      return { status: 429, text: 'The budget of this minute is used up.' };
    case 'client-budget':
      return { status: 429, text: 'This client has used up its budget of this minute.' };
    case 'user-day':
      return { status: 429, text: 'The budget of this day is used up.' };
    case 'client-day':
      return { status: 429, text: 'This client has used up its budget of this day.' };
    case 'user-calls-at-once':
      return { status: 429, text: 'Too many calls are running at the same time.' };
    case 'calls-at-once':
      return { status: 503, text: 'The server is busy.' };
    case 'user-subscriptions':
      return { status: 429, text: 'Too many subscriptions are open.' };
    case 'subscriptions':
      return { status: 503, text: 'The server has no place for another subscription.' };
  }
}
