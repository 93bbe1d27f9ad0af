import { request as openRequest } from 'node:http';
import { Readable } from 'node:stream';
import type { Guard, GuardOptions } from '@portcullis/guard';
import { createGuard } from '@portcullis/guard';
import { createClientStore, type Database } from '@portcullis/persistence';
import { pollUntil } from '../../../src/index.ts';

/** The client that a resource server is. */
export type ServerCredentials = { clientId: string; clientSecret: string };

/** Registers the client of the server of a resource. */
export async function registerResourceServer(database: Database, url: string): Promise<ServerCredentials> {
  const clientId = `server-of-${new URL(url).host}`.replace(/\W/g, '-');
  const clientSecret = `the secret of ${url}: 43 characters, and + / % too`;
  await createClientStore(database).register({
    metadata: {
      client_id: clientId,
      client_name: `Server of ${url}`,
      token_endpoint_auth_method: 'client_secret_basic',
      redirect_uris: [],
      grant_types: [],
      response_types: [],
    },
    registration: 'manual',
    resourceServer: url,
    secret: clientSecret,
    permissions: { firstParty: true, allowedScopes: [], allowedResources: [] },
    now: new Date(),
  });
  return { clientId, clientSecret };
}

/** The `Authorization` header with which that client authenticates. */
export function basicAuthorization({ clientId, clientSecret }: ServerCredentials): { authorization: string } {
  const encoded = [clientId, clientSecret].map((part) => encodeURIComponent(part)).join(':');
  return { authorization: `Basic ${Buffer.from(encoded).toString('base64')}` };
}

/** A guard in this process that listens, with a clock that the test moves. */
export type ListeningGuard = {
  guard: Guard;
  pass(seconds: number): void;
  /** What the guard says of a token: `taken`, or why not. */
  verdict(token: string): Promise<string>;
  /** Waits until it refuses a token. @returns why */
  untilRefused(token: string): Promise<string>;
  untilFresh(): Promise<void>;
};

/** Makes a guard that listens, once it has heard. */
export async function listeningGuard(
  options: Pick<GuardOptions, 'issuer' | 'resource'> & { revocation: NonNullable<GuardOptions['revocation']> },
): Promise<ListeningGuard> {
  let movedMs = 0;
  const now = () => new Date(Date.now() + movedMs);
  const guard = createGuard({ ...options, fetch: fetchAnew, now, scopes: { supported: [], baseline: [] } });
  const verdict = async (token: string) => {
    const judged = await guard.verifyToken(token);
    return judged.ok ? 'taken' : judged.refusal.reason;
  };
  const untilFresh = async () => {
    await pollUntil(() => guard.metrics().revocation.fresh, { what: 'a fresh feed' });
  };
  await untilFresh();
  return {
    guard,
    pass(seconds) {
      movedMs += seconds * 1000;
    },
    verdict,
    untilRefused: (token) =>
      pollUntil(
        async () => {
          const reason = await verdict(token);
          return reason !== 'taken' && reason;
        },
        { what: 'the refusal of a token', intervalMs: 2 },
      ),
    untilFresh,
  };
}

/** Fetches over a connection of its own, so that a stream goes where the issuer's address leads at the time. */
const fetchAnew: typeof fetch = (input, init = {}) =>
  new Promise((resolve, reject) => {
    const { method = 'GET', signal, body = null } = init;
    // The headers of a form come with its body.
    const headers = Object.fromEntries(
      new Request(String(input), { method, headers: init.headers ?? {}, body }).headers,
    );
    const request = openRequest(String(input), { agent: false, method, headers, ...(signal && { signal }) });
    request.on('error', reject);
    request.on('response', (message) => {
      const body = Readable.toWeb(message) as ReadableStream<Uint8Array>;
      resolve(new Response(body, { status: message.statusCode ?? 0 }));
    });
    request.end(body === null ? undefined : String(body));
  });
