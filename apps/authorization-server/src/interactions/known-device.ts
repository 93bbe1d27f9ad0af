import { createHash, randomBytes } from 'node:crypto';
import type { Context } from 'koa';
import type { Site } from '../site.ts';
import type { FormTokens } from './form-token.ts';

const MAX_AGE_MS = 180 * 24 * 3600 * 1000;

/**
 * Remembers, in a signed cookie, that an account has signed in from this browser before. Its failures are then counted
 * for the browser alone, so that strangers who try the account, or share the address, cannot lock its owner out.
 */
export type KnownDevices = {
  /** An id for this browser if `email` has signed in from it before. */
  recognise(ctx: Context, email: string): string | undefined;
  /** Marks this browser as one that `email` signed in from. */
  remember(ctx: Context, email: string): void;
};

/** Makes the device memory; `signatures` proves that a cookie is ours. Over https it is bound to this very host (SP-21). */
export function createKnownDevices(site: Site, signatures: FormTokens): KnownDevices {
  const cookieName = (email: string) => `${site.secure ? '__Host-' : ''}portcullis-device-${digest(email)}`;
  return {
    recognise(ctx, email) {
      const [id = '', signature] = (ctx.cookies.get(cookieName(email)) ?? '').split('.');
      return signatures.verify(signature, 'device', email, id) ? id : undefined;
    },
    remember(ctx, email) {
      const id = randomBytes(16).toString('base64url');
      ctx.cookies.set(cookieName(email), `${id}.${signatures.issue('device', email, id)}`, {
        httpOnly: true,
        sameSite: 'lax',
        path: site.secure ? '/' : `${site.basePath}/`,
        maxAge: MAX_AGE_MS,
        secure: site.secure,
        overwrite: true,
      });
    },
  };
}

function digest(email: string): string {
  return createHash('sha256').update(email).digest('base64url').slice(0, 10);
}
