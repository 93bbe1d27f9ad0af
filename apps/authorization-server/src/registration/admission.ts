import { REGISTRATION_TOKEN_PREFIX, type RegistrationTokenStore } from '@portcullis/persistence';
import type { RegistrationPolicy } from './policy.ts';
import type { RegistrationRefusal } from './refusal.ts';

/** Who registers: anybody, or somebody with a registration token that still has to be redeemed. */
export type Admission = { ok: true; token?: string } | { ok: false; refusal: RegistrationRefusal };

/** The token of an `Authorization: Bearer` header (RFC 6750 §2.1). */
export function bearerToken(authorization: string): string | undefined {
  return /^Bearer +([\w.~+/-]+=*)$/i.exec(authorization)?.[1];
}

/**
 * Decides who may try. A registration token is looked at wherever it is shown; any other credential is passed over
 * where none is needed, since clients send along what they hold for somebody else.
 */
export async function admit(
  authorization: string,
  { policy, tokens, now }: { policy: RegistrationPolicy['policy']; tokens: RegistrationTokenStore; now: Date },
): Promise<Admission> {
  if (policy === 'off') return { ok: false, refusal: { error: 'registration_off' } };
  const token = bearerToken(authorization);
  const isNeeded = policy === 'token';
  if (token === undefined) return isNeeded ? { ok: false, refusal: { error: 'token_missing' } } : { ok: true };
  if (!isNeeded && !token.startsWith(REGISTRATION_TOKEN_PREFIX)) return { ok: true };
  return (await tokens.check({ token, now })) ? { ok: true, token } : { ok: false, refusal: USELESS_TOKEN };
}

/** One answer for every token that does not work: used up, expired, revoked or never issued. */
export const USELESS_TOKEN: RegistrationRefusal = {
  error: 'token_invalid',
  description: 'the registration token is unknown, used up, expired or revoked',
};
