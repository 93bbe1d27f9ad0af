import type { Context } from 'koa';
import type { Site } from '../site.ts';

/** What was just done, in the words that the account page says it with. */
const NOTICES = {
  disconnected: 'Disconnected. The app has to ask you again before it can do anything in your name.',
  'all-disconnected': 'Every app is disconnected. Each has to ask you again before it can do anything in your name.',
  narrowed: 'Saved. Within minutes, with its next token, the app may do no more than that.',
  'signed-out-there': 'That browser is signed out.',
  'signed-out-elsewhere': 'You are signed out everywhere else.',
  'password-changed':
    'Your password is changed. Every app is disconnected, and every other browser is signed out: sign in to them with the new password.',
} as const;

/** One of {@link NOTICES}. */
export type Notice = keyof typeof NOTICES;

/** Says something on the next page, once. It stands in a cookie, so that no link can make the page say it. */
export function leaveNotice(ctx: Context, notice: Notice, site: Site): void {
  ctx.cookies.set(cookieName(site), notice, { ...cookieOptions(site), maxAge: 60_000 });
}

/** What is to be said on this page. */
export function takeNotice(ctx: Context, site: Site): string | undefined {
  const left = ctx.cookies.get(cookieName(site));
  if (left === undefined) return undefined;
  ctx.cookies.set(cookieName(site), null, cookieOptions(site));
  return Object.entries(NOTICES).find(([notice]) => notice === left)?.[1];
}

function cookieName({ secure }: Site): string {
  return `${secure ? '__Host-' : ''}portcullis-notice`;
}

function cookieOptions({ secure, basePath }: Site) {
  return { httpOnly: true, sameSite: 'lax', secure, path: secure ? '/' : `${basePath}/account` } as const;
}
