import type { Context } from 'koa';
import type { Site } from '../site.ts';
import { accountCookie } from './cookie.ts';

/** What was just done, in the words that the account page says it with. */
const NOTICES = {
  disconnected: 'Disconnected. The app has to ask you again before it can do anything in your name.',
  'all-disconnected': 'Every app is disconnected. Each has to ask you again before it can do anything in your name.',
  'upstream-disconnected': 'Disconnected, there and here. The apps that worked with it have to ask you again.',
  'upstream-disconnected-here':
    'Disconnected here. The apps that worked with it have to ask you again. What was given there may last longer: look into the settings of that account to be sure.',
  narrowed: 'Saved. Within minutes, with its next token, the app may do no more than that.',
  'token-revoked': 'Revoked. Within a second, no server takes that token any more.',
  'method-added': 'Added. From now on you can sign in with that account too.',
  'method-own': 'That account was added before.',
  'method-removed': 'Removed. Nobody signs in here with that account any more.',
  'signed-out-there': 'That browser is signed out.',
  'signed-out-elsewhere': 'You are signed out everywhere else.',
  'password-changed':
    'Your password is changed. Every app is disconnected, and every other browser is signed out: sign in to them with the new password.',
} as const;

/** One of {@link NOTICES}. */
export type Notice = keyof typeof NOTICES;

/** Says something on the next page, once. It stands in a cookie, so that no link can make the page say it. */
export function leaveNotice(ctx: Context, notice: Notice, site: Site): void {
  const { name, options } = accountCookie('notice', site);
  ctx.cookies.set(name, notice, { ...options, maxAge: 60_000 });
}

/** What is to be said on this page. */
export function takeNotice(ctx: Context, site: Site): string | undefined {
  const { name, options } = accountCookie('notice', site);
  const left = ctx.cookies.get(name);
  if (left === undefined) return undefined;
  ctx.cookies.set(name, null, options);
  return Object.entries(NOTICES).find(([notice]) => notice === left)?.[1];
}
