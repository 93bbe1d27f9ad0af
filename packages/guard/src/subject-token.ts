import type { Principal } from './principal.ts';

/** Tokens by who was let in with them: a handler holds the principal, and cannot get at the token. */
const tokens = new WeakMap<Principal, string>();

/** Keeps the token for as long as somebody holds the principal. */
export function keepSubjectToken(principal: Principal, token: string): void {
  tokens.set(principal, token);
}

/** The token that a principal was made from; undefined for a principal that no guard made. */
export function subjectTokenOf(principal: Principal): string | undefined {
  return tokens.get(principal);
}
