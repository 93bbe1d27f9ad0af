import type { IncomingMessage } from 'node:http';
import { ifOpen, type SignInStore, standingOfSession } from '@portcullis/persistence';
import type { Clock } from '@portcullis/platform';
import Provider, { type Adapter } from 'oidc-provider';
import { browserName } from '../http/browser-name.ts';
import { requestContext } from '../http/request-context.ts';
import { defer } from './audit-events.ts';
import { keepUser } from './request-reads.ts';

/** What keeping sign-ins beside the engine's sessions needs. */
export type SignInDeps = { signIns: SignInStore; clock: Clock };

/** When the sign-in of a request was seen before it. */
const lastSeen = new WeakMap<IncomingMessage, Date>();

/**
 * Keeps a row for each sign-in, which the engine's encrypted session has no room for: which browser, from where, last
 * seen when. A session that nobody has signed in to has none.
 */
export function recordSignIns(provider: Provider, { signIns, clock }: SignInDeps): void {
  provider.on('session.saved', (session) => {
    const ctx = Provider.ctx;
    const { uid: id, accountId: userId, loginTs, exp } = session;
    if (!ctx || userId === undefined) return;
    const { address } = requestContext(ctx);
    const [now, expiresAt] = [clock(), new Date(exp * 1000)];
    const accessEpoch: unknown = ctx.oidc.result?.login?.accessEpoch;
    if (typeof accessEpoch !== 'number') {
      const lastSeenAt = lastSeen.get(ctx.req);
      defer(ctx, signIns.noteSeen({ id, address, now, expiresAt, ...(lastSeenAt && { lastSeenAt }) }));
      return;
    }
    const signedInAt = new Date((loginTs ?? 0) * 1000);
    const browser = browserName(ctx.get('user-agent'));
    defer(ctx, signIns.begin({ id, userId, accessEpoch, signedInAt, browser, address, now, expiresAt }));
  });
}

/** The engine's sessions, without those whose sign-in was ended. */
export function openSessionsOnly(
  adapter: Adapter,
  { signIns, clock }: SignInDeps,
): Pick<Adapter, 'find' | 'findByUid'> {
  const unlessEnded = async (session: Awaited<ReturnType<Adapter['find']>>) => {
    if (!session) return undefined;
    const { uid: id, accountId: userId } = session;
    if (userId === undefined) return session;
    const standing = standingOfSession(session);
    const find = () => (id === undefined ? undefined : signIns.findOpen({ id, userId, now: clock() }));
    const open = standing ? ifOpen(standing.signIn, clock()) : await find();
    if (!open) return undefined;
    const req = Provider.ctx?.req;
    if (req) lastSeen.set(req, open.lastSeenAt);
    if (standing) keepUser(standing.user);
    return session;
  };
  return {
    find: async (id) => unlessEnded((await adapter.find(id)) || undefined),
    findByUid: async (uid) => unlessEnded((await adapter.findByUid(uid)) || undefined),
  };
}
