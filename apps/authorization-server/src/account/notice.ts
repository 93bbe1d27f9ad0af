import type { Context } from 'koa';
import { z } from 'zod';
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
  'password-changed-accounts-removed':
    'Your password is changed. Every app is disconnected, and every other browser is signed out: sign in to them with the new password. Nobody signs in here any more with what was added by somebody who knew the old one; add what is yours again:',
} as const;

/** One of {@link NOTICES}. */
export type Notice = keyof typeof NOTICES;

/** So many names fit into a cookie. */
const MOST_NAMES = 5;

const leftSchema = z.object({ notice: z.string(), names: z.array(z.string()) });

/** Says something on the next page, once, and of what: `names`. It stands in a cookie, so that no link can make the page say it. */
export function leaveNotice(ctx: Context, notice: Notice, site: Site, names: readonly string[] = []): void {
  const { name, options } = accountCookie('notice', site);
  const shown = [...names.slice(0, MOST_NAMES), ...(names.length > MOST_NAMES ? ['and others'] : [])];
  const value = Buffer.from(JSON.stringify({ notice, names: shown })).toString('base64url');
  ctx.cookies.set(name, value, { ...options, maxAge: 60_000 });
}

/** What is to be said on this page. */
export function takeNotice(ctx: Context, site: Site): string | undefined {
  const { name, options } = accountCookie('notice', site);
  const left = ctx.cookies.get(name);
  if (left === undefined) return undefined;
  ctx.cookies.set(name, null, options);
  const read = leftSchema.safeParse(parsed(Buffer.from(left, 'base64url').toString()));
  const text = Object.entries(NOTICES).find(([notice]) => notice === read.data?.notice)?.[1];
  return text && [text, read.data?.names.join(', ')].filter(Boolean).join(' ');
}

function parsed(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return undefined;
  }
}
