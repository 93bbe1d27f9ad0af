import type { Egress } from './egress.ts';

/** The engine's `fetch`: the same door for whatever it would fetch by itself. @throws when nothing came back. */
export function engineFetch(egress: Egress) {
  return async (input: string | URL | Request): Promise<Response> => {
    const result = await egress(input instanceof Request ? input.url : String(input));
    if (!result.ok) throw new Error(`nothing was fetched: ${result.failure}`);
    const { status, header, body } = result.answer;
    const headers = ['content-type', 'cache-control', 'expires'].flatMap((name): [string, string][] => {
      const value = header(name);
      return value === undefined ? [] : [[name, value]];
    });
    return new Response(new Uint8Array(body), { status, headers });
  };
}
