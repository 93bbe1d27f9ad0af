import type { IncomingMessage } from 'node:http';
import { isDeepStrictEqual } from 'node:util';
import Provider, { type Adapter, type AdapterPayload } from 'oidc-provider';

/** When the end of a session has moved by less, that alone is no reason to store it again. */
const MOVED_SECONDS = 60;

/** The session of a request, as it is stored. */
const stored = new WeakMap<IncomingMessage, AdapterPayload>();

/**
 * Stores sessions where anything of them has changed. The engine saves one with each authorization request, mostly for its
 * end, which moves by the seconds since the last. It would also gather the grant of every client that was ever authorized
 * in this browser; grants and consents are stored for themselves, and nothing here asks the session for them.
 */
export function changedSessionsOnly(adapter: Adapter): Adapter {
  return {
    ...adapter,
    find: async (value) => {
      const session = (await adapter.find(value)) || undefined;
      const request = Provider.ctx?.req;
      if (session) delete session.authorizations;
      if (session && request) stored.set(request, { ...session });
      return session;
    },
    upsert: async (value, { authorizations, ...session }, expiresIn) => {
      const request = Provider.ctx?.req;
      const before = request && stored.get(request);
      if (before && isAsStored(session, before)) return;
      await adapter.upsert(value, session, expiresIn);
      if (request) stored.set(request, session);
    },
  };
}

/** Whether nothing of a session is different from what is stored but that it ends a little later. */
export function isAsStored({ exp, ...session }: AdapterPayload, { exp: before, ...then }: AdapterPayload): boolean {
  const moved = (exp ?? 0) - (before ?? 0);
  return moved >= 0 && moved < MOVED_SECONDS && isDeepStrictEqual(session, then);
}
