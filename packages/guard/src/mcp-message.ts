import { isObject } from './fetch-json.ts';

/** One JSON-RPC message, as far as it is judged here. */
export type McpMessage = Readonly<Record<string, unknown>>;

/**
 * Why a body is no message that can be judged.
 *
 * - `not_json`: it cannot be parsed
 * - `batch`: an array; batches existed in 2025-03-26 alone, and are refused whole so that none carries a call past us
 * - `not_a_message`: JSON, but no object, or one whose `method` is no string
 */
export type MessageRefusal = Readonly<{ reason: 'not_json' | 'batch' | 'not_a_message' }>;

/** Reads the body of a POST. */
export function readMessage(text: string): { ok: true; message: McpMessage } | { ok: false; refusal: MessageRefusal } {
  const value = parse(text);
  if (value === undefined) return refuse('not_json');
  if (Array.isArray(value)) return refuse('batch');
  if (!isObject(value)) return refuse('not_a_message');
  if ('method' in value && typeof value.method !== 'string') return refuse('not_a_message');
  return { ok: true, message: value };
}

/** The `id` that an answer has to carry; null where the message has none that is allowed. */
export function messageId({ id }: McpMessage): string | number | null {
  return typeof id === 'string' || typeof id === 'number' ? id : null;
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
