import { isObject } from './fetch-json.ts';

/** One JSON-RPC message, as far as it is judged here. */
export type McpMessage = Readonly<Record<string, unknown>>;

/**
 * Why a body is no message that can be judged.
 *
 * - `not_json`: it cannot be parsed
 * - `batch`: an array; batches existed in 2025-03-26 alone, and are refused whole so that none carries a call past us
 * - `not_a_message`: JSON, but no object, or one whose `method` is no string; or a `subscriptions/listen` that names more
 *   than 1,000 resources, or some with more than 100,000 characters in all
 */
export type MessageRefusal = Readonly<{ reason: 'not_json' | 'batch' | 'not_a_message' }>;

// Judging takes time in proportion to both, and nobody else is served meanwhile.
const LIMIT_URIS = 1000;
const LIMIT_URI_CHARACTERS = 100_000;

/** Reads the body of a POST. */
export function readMessage(text: string): { ok: true; message: McpMessage } | { ok: false; refusal: MessageRefusal } {
  const value = parse(text);
  if (value === undefined) return refuse('not_json');
  if (Array.isArray(value)) return refuse('batch');
  if (!isObject(value)) return refuse('not_a_message');
  if ('method' in value && typeof value.method !== 'string') return refuse('not_a_message');
  if (namesTooMuch(subscribedUris(value))) return refuse('not_a_message');
  return { ok: true, message: value };
}

/** The `id` that an answer has to carry; null where the message has none that is allowed. */
export function messageId({ id }: McpMessage): string | number | null {
  return typeof id === 'string' || typeof id === 'number' ? id : null;
}

/** `resourceSubscriptions` of a `subscriptions/listen`, as it came; undefined where there is none. */
export function subscribedUris({ method, params }: McpMessage): unknown {
  if (method !== 'subscriptions/listen' || !isObject(params) || !isObject(params.notifications)) return undefined;
  return params.notifications.resourceSubscriptions;
}

function namesTooMuch(uris: unknown): boolean {
  if (!Array.isArray(uris)) return false;
  if (uris.length > LIMIT_URIS) return true;
  const lengths = uris.map((uri: unknown) => (typeof uri === 'string' ? uri.length : 0));
  return lengths.reduce((sum, length) => sum + length, 0) > LIMIT_URI_CHARACTERS;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function refuse(reason: MessageRefusal['reason']): { ok: false; refusal: MessageRefusal } {
  return { ok: false, refusal: { reason } };
}
