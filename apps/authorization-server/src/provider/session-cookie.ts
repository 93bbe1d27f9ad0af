import type { Site } from '../site.ts';

/** The cookie of the engine's session, for the engine and for our own pages. */
export type SessionCookie = {
  name: string;
  options: { httpOnly: true; sameSite: 'lax'; signed: true; secure: boolean; path: '/' };
};

/** Marks a session of somebody who signed in elsewhere, perhaps long ago: it opens nothing that takes a fresh sign-in. */
export const FEDERATED = 'fed';

/** How long a session lives after it was last used in an authorization, in seconds. */
export const SESSION_TTL_SECONDS = 24 * 3600;

/** Browsers hold `__Host-` cookies to https; on plain-http loopback they would reject them (SP-21). */
export function sessionCookie({ secure }: Site): SessionCookie {
  return {
    name: secure ? '__Host-portcullis' : 'portcullis',
    options: { httpOnly: true, sameSite: 'lax', signed: true, secure, path: '/' },
  };
}
