/** Why a service's API gave nothing: it did not answer, refused the token, or answered something else. */
type ServiceRefusal = { reason: 'unreachable' | 'token refused' | 'unexpected answer' };

/** What came of a request. */
type ServiceResult = { ok: true; value: unknown } | { ok: false; refusal: ServiceRefusal };

/** The API of a third-party service that this server works with. */
export type UpstreamService = {
  /** What the authorization server's configuration calls it. */
  upstream: string;
  /** Gets JSON, with a token of the service's own. Nothing of the caller's request goes there. */
  get(path: string, token: string): Promise<ServiceResult>;
};

const TIMEOUT_MS = 10_000;
const LIMIT_CHARACTERS = 2 * 1024 * 1024;

/** Reaches the API at `api`, which the operator chose; redirects are not followed, so that the token goes nowhere else. */
export function upstreamService(
  { name, api }: { name: string; api: string },
  fetch: typeof globalThis.fetch = globalThis.fetch,
): UpstreamService {
  return {
    upstream: name,
    async get(path, token) {
      try {
        const response = await fetch(`${api}${path}`, {
          headers: { accept: 'application/json', authorization: `Bearer ${token}`, 'user-agent': 'Portcullis' },
          redirect: 'manual',
          signal: AbortSignal.timeout(TIMEOUT_MS),
        });
        const text = await response.text();
        if (response.status === 401 || response.status === 403) return refused('token refused');
        if (response.status !== 200 || text.length > LIMIT_CHARACTERS) return refused('unexpected answer');
        return { ok: true, value: JSON.parse(text) };
      } catch (cause) {
        return refused(cause instanceof SyntaxError ? 'unexpected answer' : 'unreachable');
      }
    },
  };
}

function refused(reason: ServiceRefusal['reason']): ServiceResult {
  return { ok: false, refusal: { reason } };
}
