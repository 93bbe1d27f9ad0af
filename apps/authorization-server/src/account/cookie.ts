import type { Site } from '../site.ts';

/** A cookie that only the account's pages read. */
export type AccountCookie = {
  name: string;
  options: { httpOnly: true; sameSite: 'lax'; secure: boolean; path: string };
};

/** Names such a cookie; over https it is bound to this very host (SP-21). */
export function accountCookie(name: string, { secure, basePath }: Site): AccountCookie {
  return {
    name: `${secure ? '__Host-' : ''}portcullis-${name}`,
    options: { httpOnly: true, sameSite: 'lax', secure, path: secure ? '/' : `${basePath}/account` },
  };
}
