import { isProtected } from './web-address.ts';

/** How the guard asks its issuer. */
export type FetchSettings = Readonly<{ fetch: typeof globalThis.fetch; timeoutMs: number }>;

const LIMIT_BYTES = 256 * 1024;

/**
 * Gets a JSON object from the issuer: `https:` (or loopback), no redirect, at most 256 KiB, within `timeoutMs` for
 * headers and body together. Without `message` it is a GET that carries no credentials.
 *
 * @throws Error for everything else than a 200 with a JSON object
 */
export async function fetchJsonObject(
  url: string,
  settings: FetchSettings,
  message: { method?: 'POST'; headers?: Readonly<Record<string, string>>; body?: URLSearchParams } = {},
): Promise<Record<string, unknown>> {
  if (!URL.canParse(url) || !isProtected(new URL(url))) throw new Error('the address is neither https nor loopback');
  const response = await settings.fetch(url, {
    ...message,
    headers: { accept: 'application/json, application/jwk-set+json', ...message.headers },
    redirect: 'manual',
    signal: AbortSignal.timeout(settings.timeoutMs),
  });
  if (response.status !== 200) {
    await response.body?.cancel();
    throw new Error(`the answer has status ${response.status}`);
  }
  const value: unknown = JSON.parse(await readText(response));
  if (!isObject(value)) throw new Error('the answer is no JSON object');
  return value;
}

/** Whether a parsed JSON value is an object, neither null nor an array. */
export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

async function readText(response: Response): Promise<string> {
  const decoder = new TextDecoder();
  let text = '';
  let sizeBytes = 0;
  for await (const chunk of response.body ?? []) {
    sizeBytes += chunk.byteLength;
    if (sizeBytes > LIMIT_BYTES) throw new Error(`the answer is larger than ${LIMIT_BYTES} bytes`);
    text += decoder.decode(chunk, { stream: true });
  }
  return text + decoder.decode();
}
