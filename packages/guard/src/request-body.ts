import type { Refusal } from './refusal.ts';

type BodyRefusal = Extract<Refusal, { reason: 'unsupported_media_type' | 'body_too_large' | 'length_required' }>;

/** The bytes of a body, as they come. */
export type BodySource = AsyncIterable<Uint8Array>;

/**
 * Judges a message by its headers alone: a POST must say `application/json`, which no form of a foreign page can
 * send without a preflight, and must not announce more than `limitBytes`.
 *
 * @returns undefined when the body may be read
 */
export function judgeBodyHeaders(request: Request, limitBytes: number): BodyRefusal | undefined {
  if (request.method !== 'POST') return undefined;
  const mediaType = request.headers.get('content-type')?.split(';')[0]?.trim().toLowerCase();
  if (mediaType !== 'application/json') return { reason: 'unsupported_media_type' };
  if (Number(request.headers.get('content-length') ?? 0) > limitBytes) return { reason: 'body_too_large' };
  return undefined;
}

/**
 * For handlers that read the body past the guard's eyes: a POST must announce its length, because only then is the
 * length known to be within the limit.
 */
export function judgeAnnouncedLength(request: Request): BodyRefusal | undefined {
  if (request.method !== 'POST') return undefined;
  return /^\d+$/.test(request.headers.get('content-length') ?? '') ? undefined : { reason: 'length_required' };
}

/** Reads a body into memory, and stops at `limitBytes`. */
export async function readBytes(
  body: BodySource,
  limitBytes: number,
): Promise<{ ok: true; bytes: Uint8Array<ArrayBuffer> } | { ok: false; refusal: BodyRefusal }> {
  const chunks: Uint8Array[] = [];
  let sizeBytes = 0;
  for await (const chunk of body) {
    sizeBytes += chunk.byteLength;
    if (sizeBytes > limitBytes) return { ok: false, refusal: { reason: 'body_too_large' } };
    chunks.push(chunk);
  }
  return { ok: true, bytes: joined(chunks, sizeBytes) };
}

/** Whether the request could have a body in web form, which those of two methods cannot. */
export function mayHaveBody({ method }: Request): boolean {
  return method !== 'GET' && method !== 'HEAD';
}

/** The same request with a body that is already there. */
export function withBody({ url, method, headers, signal }: Request, body: Uint8Array<ArrayBuffer>): Request {
  return new Request(url, { method, headers, signal, body });
}

function joined(chunks: readonly Uint8Array[], sizeBytes: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(sizeBytes);
  let offset = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, offset);
    offset += chunk.byteLength;
  }
  return bytes;
}
