import type { HttpPerson, JsonAnswer } from '../../../src/index.ts';
import { bearer, createHttpPerson, sendJson } from '../../../src/index.ts';
import { obtainCode, redeem, type Target, type TestClient, tokensOf } from './authorization.ts';

/** Every scope of the admin API that there is. */
export const ALL_ADMIN_SCOPES =
  'admin:users admin:clients admin:resources admin:grants admin:tokens admin:registration-tokens admin:keys admin:audit';

/** The command line as a client. */
export const COMMAND_LINE: TestClient = {
  id: 'portcullis-cli',
  secret: undefined,
  redirectUri: 'http://127.0.0.1:9/callback',
};

/** Signs the owner in for administration, as the command line does. */
export async function adminTokens(
  target: Target,
  { scope = ALL_ADMIN_SCOPES, person = createHttpPerson() }: { scope?: string; person?: HttpPerson } = {},
): Promise<{ access: string; refresh: string }> {
  const resource = `${target.server.issuer}/admin`;
  const code = await obtainCode(target, COMMAND_LINE, { person, changes: { resource, scope } });
  return tokensOf(await redeem(target, COMMAND_LINE, { code, changes: { resource } }));
}

/** Calls the admin API; `path` is below its root. */
export async function callAdmin(
  issuer: string,
  { token, method = 'GET', path, body }: { token?: string; method?: string; path: string; body?: unknown },
): Promise<JsonAnswer> {
  return sendJson(`${issuer}/admin/api/v1${path}`, {
    method,
    headers: {
      ...(token !== undefined && bearer(token)),
      ...(method !== 'GET' && { 'content-type': 'application/json' }),
    },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
}
