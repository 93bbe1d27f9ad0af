import type { Refusal } from './refusal.ts';

type BodyRefusal = Extract<Refusal, { reason: 'unsupported_media_type' | 'body_too_large' | 'length_required' }>;

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

/** Reads the body into memory, and stops at `limitBytes`. The result is the same request with the body at hand. */
export async function bufferBody(
  request: Request,
  limitBytes: number,
): Promise<{ ok: true; request: Request } | { ok: false; refusal: BodyRefusal }> {
  if (request.body === null) return { ok: true, request };
  const chunks: Uint8Array<ArrayBuffer>[] = [];
  let sizeBytes = 0;
  for await (const chunk of request.body) {
    sizeBytes += chunk.byteLength;
    if (sizeBytes > limitBytes) return { ok: false, refusal: { reason: 'body_too_large' } };
    chunks.push(new Uint8Array(chunk));
  }
  const { url, method, headers, signal } = request;
  return { ok: true, request: new Request(url, { method, headers, signal, body: new Blob(chunks) }) };
}
