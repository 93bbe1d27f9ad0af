import type { Egress, EgressFailure, EgressRequest } from './egress.ts';

/** Nothing came back from another server. */
export class FetchFailure extends Error {
  override readonly name = 'FetchFailure';
  readonly failure: EgressFailure;

  constructor(failure: EgressFailure) {
    super(`nothing was fetched: ${failure}`);
    this.failure = failure;
  }
}

/** How libraries ask for something, in the form of `fetch`. */
type FetchOptions = { method?: string; headers?: ConstructorParameters<typeof Headers>[0]; body?: unknown };

/** The `fetch` of libraries: the same door for whatever they would fetch by themselves. @throws {FetchFailure} */
export function engineFetch(egress: Egress) {
  return async (input: string | URL | Request, options: FetchOptions = {}): Promise<Response> => {
    const result = await egress(input instanceof Request ? input.url : String(input), requestOf(options));
    if (!result.ok) throw new FetchFailure(result.failure);
    const { status, header, body } = result.answer;
    const headers = ['content-type', 'cache-control', 'expires', 'www-authenticate'].flatMap(
      (name): [string, string][] => {
        const value = header(name);
        return value === undefined ? [] : [[name, value]];
      },
    );
    return new Response(hasNoBody(status) ? null : new Uint8Array(body), { status, headers });
  };
}

function requestOf({ method, headers, body }: FetchOptions): EgressRequest {
  if (method !== 'POST') return {};
  const own = Object.fromEntries(new Headers(headers));
  return { method, headers: own, body: body instanceof URLSearchParams ? body.toString() : undefined };
}

function hasNoBody(status: number): boolean {
  return status === 204 || status === 205 || status === 304;
}
