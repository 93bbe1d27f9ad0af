import { AsyncLocalStorage } from 'node:async_hooks';
import type { IncomingMessage } from 'node:http';
import type { ClientMemory } from '@portcullis/persistence';
import { type KoaContextWithOIDC, default as Provider } from 'oidc-provider';

/** Token requests that ask about their client at several steps, and change none. */
const GRANT_TYPES: readonly unknown[] = ['refresh_token', 'authorization_code', 'client_credentials'];

/** The engine's request, where its own middleware is behind us. */
const requests = new AsyncLocalStorage<KoaContextWithOIDC>();

const memories = new WeakMap<IncomingMessage, ClientMemory>();

/** What the engine's present request has read of clients; undefined where each step has to ask anew. */
export function clientMemory(): ClientMemory | undefined {
  const ctx = Provider.ctx ?? requests.getStore();
  if (!ctx || !mayRemember(ctx)) return undefined;
  const known = memories.get(ctx.req);
  if (known) return known;
  const memory: ClientMemory = new Map();
  memories.set(ctx.req, memory);
  return memory;
}

/** Does work that belongs to a request of the engine, and comes after the engine's own. */
export function asRequest<T>(ctx: KoaContextWithOIDC, work: () => Promise<T>): Promise<T> {
  return requests.run(ctx, work);
}

/**
 * Has what follows in a request see clients as they are by then. Whoever limits a client ends tokens of its grants in
 * the same transaction: a request that has seen the grant after that must not go by the client from before it.
 */
export function forgetClients({ req }: { req: IncomingMessage }): void {
  memories.delete(req);
}

function mayRemember({ oidc }: KoaContextWithOIDC): boolean {
  if (oidc.route === 'introspection') return true;
  return oidc.route === 'token' && GRANT_TYPES.includes(oidc.params?.grant_type);
}
