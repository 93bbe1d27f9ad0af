import type { SignInStore, User } from '@portcullis/persistence';
import type { Clock } from '@portcullis/platform';
import type { Context } from 'koa';
import type { default as Provider } from 'oidc-provider';
import { FRESH_SIGN_IN_SECONDS } from '../admin/admin-resource.ts';
import { browserName } from '../http/browser-name.ts';
import { requestContext } from '../http/request-context.ts';
import { FEDERATED, SESSION_TTL_SECONDS, sessionCookie } from '../provider/session-cookie.ts';
import type { Site } from '../site.ts';

/** Somebody who is signed in at this browser. */
export type AccountSession = {
  /** The id of the sign-in; no secret. */
  id: string;
  userId: string;
  /** Whether somebody proved within the last five minutes that they are that user. */
  isFresh: boolean;
};

/** The engine's session, used and made on our own pages: one sign-in serves both (decision 14). */
export type AccountSessions = {
  /** Who is signed in at this browser, as far as the sign-in still stands. */
  find(ctx: Context): Promise<AccountSession | undefined>;
  /**
   * Signs a user in who just proved who they are, or who did so elsewhere at some time. The browser's session before,
   * whosever it was, is gone.
   */
  begin(ctx: Context, user: Pick<User, 'id' | 'accessEpoch'>, how?: 'now' | 'elsewhere'): Promise<void>;
  /** Signs this browser out. */
  end(ctx: Context): Promise<void>;
};

/** What they are made with. */
export type AccountSessionDeps = { provider: Provider; site: Site; signIns: SignInStore; clock: Clock };

/** Makes them over the engine's own session model, its cookie and its key. */
export function createAccountSessions({ provider, site, signIns, clock }: AccountSessionDeps): AccountSessions {
  const cookie = sessionCookie(site);
  // The engine's cookies are signed with its keys; ours are not.
  const cookiesOf = (ctx: Context) => provider.createContext(ctx.req, ctx.res).cookies;
  const drop = async (ctx: Context) => {
    const session = await provider.Session.get(ctx);
    await session.destroy();
    const { uid: id, accountId: userId } = session;
    if (userId !== undefined) await signIns.end({ id, userId, now: clock() });
  };

  return {
    async find(ctx) {
      const { uid: id, accountId: userId, loginTs = 0, amr } = await provider.Session.get(ctx);
      if (userId === undefined) return undefined;
      const isFresh = !amr?.includes(FEDERATED) && clock().getTime() / 1000 - loginTs <= FRESH_SIGN_IN_SECONDS;
      await signIns.noteSeen({ id, address: requestContext(ctx).address, now: clock() });
      return { id, userId, isFresh };
    },
    async begin(ctx, { id: userId, accessEpoch }, how = 'now') {
      await drop(ctx);
      const now = clock();
      const expiresAt = new Date(now.getTime() + SESSION_TTL_SECONDS * 1000);
      const session = new provider.Session();
      const methods = how === 'elsewhere' ? { amr: [FEDERATED] } : {};
      session.loginAccount({ accountId: userId, loginTs: Math.floor(now.getTime() / 1000), ...methods });
      const { address } = requestContext(ctx);
      const browser = browserName(ctx.get('user-agent'));
      await signIns.begin({ id: session.uid, userId, accessEpoch, signedInAt: now, browser, address, now, expiresAt });
      await session.save(SESSION_TTL_SECONDS);
      cookiesOf(ctx).set(cookie.name, session.jti, { ...cookie.options, expires: expiresAt });
    },
    async end(ctx) {
      await drop(ctx);
      cookiesOf(ctx).set(cookie.name, null, cookie.options);
    },
  };
}
