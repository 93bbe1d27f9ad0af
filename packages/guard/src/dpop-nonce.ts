import { errors, jwtVerify, SignJWT } from 'jose';

/** Nonces that clients must put into their proofs. They are made from a secret alone, so that replicas need no store. */
export type Nonces = {
  issue(now: Date): Promise<string>;
  /** Until when a nonce can be used; undefined when it is none of ours or too old. */
  usableUntil(nonce: string, now: Date): Promise<Date | undefined>;
};

const TYPE = 'dpop-nonce+jwt';
const LIFETIME_SECONDS = 120;
const LIMIT_CHARACTERS = 1024;

/**
 * Makes nonces for one resource: signed statements of when they were issued, which live two minutes.
 *
 * @see RFC 9449 section 9
 */
export function createNonces({ secret, resource }: { secret: Uint8Array; resource: string }): Nonces {
  return {
    issue(now) {
      const issuedAt = Math.floor(now.getTime() / 1000);
      return new SignJWT({ aud: resource, exp: issuedAt + LIFETIME_SECONDS })
        .setProtectedHeader({ alg: 'HS256', typ: TYPE })
        .sign(secret);
    },
    async usableUntil(nonce, now) {
      if (nonce.length > LIMIT_CHARACTERS) return undefined;
      try {
        const { payload } = await jwtVerify(nonce, secret, {
          algorithms: ['HS256'],
          typ: TYPE,
          audience: resource,
          currentDate: now,
        });
        return payload.exp === undefined ? undefined : new Date(payload.exp * 1000);
      } catch (error) {
        if (error instanceof errors.JOSEError) return undefined;
        throw error;
      }
    },
  };
}
