import { AsyncLocalStorage } from 'node:async_hooks';
import type { IncomingMessage } from 'node:http';
import type {
  Authentication,
  AuthenticationRows,
  ClientMemory,
  PresentedRows,
  ReadAuthentication,
  ReadPresented,
  RowsAhead,
  SessionRows,
  User,
} from '@portcullis/persistence';
import { type KoaContextWithOIDC, default as Provider } from 'oidc-provider';

/**
 * Requests that ask about their client at several steps, and change none. What an authorization makes is redeemed at the
 * token endpoint, which asks anew.
 */
const ROUTES: readonly (string | undefined)[] = ['introspection', 'authorization', 'resume'];

/** The same of token requests. */
const GRANT_TYPES: readonly unknown[] = ['refresh_token', 'authorization_code', 'client_credentials'];

/** The request, where the engine's own middleware is behind us or was never there. */
const requests = new AsyncLocalStorage<{ req: IncomingMessage; oidc?: KoaContextWithOIDC['oidc'] }>();

const memories = new WeakMap<IncomingMessage, ClientMemory>();

/** What a redemption has read at its beginning, and nobody has asked for yet. */
const ahead = new WeakMap<IncomingMessage, Partial<PresentedRows>>();

/** What a request has read together with its interaction or session, and nobody has asked for yet. */
const beside = new WeakMap<IncomingMessage, { session?: SessionRows | undefined; user?: User | undefined }>();

/** How often the client of a request has failed, as it was read with the client and nobody has asked for yet. */
const counters = new WeakMap<IncomingMessage, { key: string } & Pick<AuthenticationRows, 'counter'>>();

function presentRequest() {
  return Provider.ctx ?? requests.getStore();
}

/** What the engine's present request has read of clients; undefined where each step has to ask anew. */
export function clientMemory(): ClientMemory | undefined {
  const ctx = presentRequest();
  if (!ctx || !mayRemember(ctx)) return undefined;
  const known = memories.get(ctx.req);
  if (known) return known;
  const memory: ClientMemory = new Map();
  memories.set(ctx.req, memory);
  return memory;
}

/**
 * Does work that belongs to a request of the engine, and comes after the engine's own; or that of a page which asks about
 * one client at several steps, and changes none.
 */
export function asRequest<T>(
  ctx: { req: IncomingMessage; oidc?: KoaContextWithOIDC['oidc'] },
  work: () => Promise<T>,
): Promise<T> {
  return requests.run(ctx, work);
}

/**
 * Reads at once what the steps of a redemption will ask for. All of it is as it was at one moment, and whoever limits a client
 * or a user ends tokens of its grants in the same transaction: what comes after that moment is found when the redemption
 * is written down.
 */
export async function readAhead({ req, oidc }: KoaContextWithOIDC, read: ReadPresented): Promise<void> {
  if (ahead.has(req)) return;
  const rows = await presentedRows(oidc.params ?? {}, read);
  if (!rows) return;
  ahead.set(req, rows);
  if (rows.client) clientMemory()?.set(rows.client.id, Promise.resolve(rows.client));
}

async function presentedRows(
  { grant_type: grantType, refresh_token: refreshToken, code }: Record<string, unknown>,
  read: ReadPresented,
): Promise<PresentedRows | undefined> {
  if (grantType === 'refresh_token' && typeof refreshToken === 'string') return read.refreshToken(refreshToken);
  if (grantType === 'authorization_code' && typeof code === 'string') return read.code(code);
  return undefined;
}

/** Reads a client that authenticates and its counter at once, unless the client is known or each step has to ask anew. */
export async function readClientAhead(
  { req }: KoaContextWithOIDC,
  read: ReadAuthentication,
  { clientId, limitKey }: Authentication,
): Promise<void> {
  const memory = clientMemory();
  if (!memory || memory.has(clientId)) return;
  const { client, counter } = await read({ clientId, limitKey });
  memory.set(clientId, Promise.resolve(client));
  counters.set(req, { key: limitKey, counter });
}

/** What a limit had counted when the request's client was read; given once. */
export function counterAhead(
  { req }: KoaContextWithOIDC,
  key: string,
): Pick<AuthenticationRows, 'counter'> | undefined {
  const read = counters.get(req);
  counters.delete(req);
  return read?.key === key ? read : undefined;
}

/** Gives what the engine's present request has read ahead. */
export const rowsAhead: RowsAhead = {
  refreshToken: (id) => Provider.ctx && take(Provider.ctx, 'refreshToken', id),
  code: (id) => Provider.ctx && take(Provider.ctx, 'code', id),
  grant: (id) => Provider.ctx && take(Provider.ctx, 'grant', id),
  session: (uid) => {
    const req = presentRequest()?.req;
    const session = req && beside.get(req)?.session;
    if (!session || session.uid !== uid) return undefined;
    beside.set(req, { ...beside.get(req), session: undefined });
    return session;
  },
  wantsSession: () => {
    const request = presentRequest();
    return request !== undefined && !beside.has(request.req);
  },
  keep: ({ client, session }) => {
    const req = presentRequest()?.req;
    if (req && session) beside.set(req, { session });
    const memory = client && clientMemory();
    if (client && memory?.has(client.id) === false) memory.set(client.id, Promise.resolve(client));
  },
};

/** Keeps the user of the present request's session, as it was read with that. */
export function keepUser(user: User): void {
  const req = presentRequest()?.req;
  if (req) beside.set(req, { ...beside.get(req), user });
}

/** The user that a request has read ahead; given once. */
export function userAhead(ctx: { req: IncomingMessage }, id: string): User | undefined {
  const presented = take(ctx, 'user', id);
  if (presented) return presented;
  const { user, ...others } = beside.get(ctx.req) ?? {};
  if (user?.id !== id) return undefined;
  beside.set(ctx.req, others);
  return user;
}

/** Whether the grant of a request was read together with what came before and what comes after it. */
export function isGrantAhead({ req }: { req: IncomingMessage }, id: string): boolean {
  return ahead.get(req)?.grant?.id === id;
}

/**
 * Has what follows in a request see everything as it is by then. Whoever limits a client ends tokens of its grants in
 * the same transaction: a request that has seen the grant after that must not go by the client from before it.
 */
export function forgetReads({ req }: { req: IncomingMessage }): void {
  memories.delete(req);
  ahead.delete(req);
  beside.delete(req);
  counters.delete(req);
}

/** Each row is given once: whoever asks again wants a newer one. */
function take<Name extends Exclude<keyof PresentedRows, 'client'>>(
  { req }: { req: IncomingMessage },
  name: Name,
  id: string,
): PresentedRows[Name] | undefined {
  const rows = ahead.get(req);
  const row = rows?.[name];
  if (row?.id !== id) return undefined;
  ahead.set(req, { ...rows, [name]: undefined });
  return row;
}

function mayRemember({ oidc }: { oidc?: KoaContextWithOIDC['oidc'] }): boolean {
  if (oidc === undefined || ROUTES.includes(oidc.route)) return true;
  return oidc.route === 'token' && GRANT_TYPES.includes(oidc.params?.grant_type);
}
