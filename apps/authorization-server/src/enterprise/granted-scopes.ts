import type { AssertionRefusal } from './refusal.ts';
import { refuse } from './refusal.ts';

/** Everything that limits what an assertion is good for. */
export type ScopeLimits = {
  /** What the client asks for; undefined where it leaves that to the assertion. */
  requested: readonly string[] | undefined;
  /** What the identity provider allows; undefined where it names no scopes. */
  asserted: readonly string[] | undefined;
  /** What the identity provider may allow at all; undefined for no limit. */
  ofProvider: readonly string[] | undefined;
  /** What the resource has. */
  offered: readonly string[];
  /** What a request without scopes gets at the resource. */
  defaults: readonly string[];
  /** What of it the user's roles and the client's limits permit. */
  permitted: readonly string[];
};

export type GrantedScopes = { ok: true; scopes: string[] } | { ok: false; refusal: AssertionRefusal };

/**
 * The scopes of a token: what is asked for, asserted, offered and permitted, all at once (EX-11). An assertion without
 * scopes allows the resource's defaults; one with a scope that its resource does not have was made for something else.
 * @see Enterprise-Managed Authorization, sections 7.2.1 and 7.6.2
 */
export function grantedScopes(limits: ScopeLimits): GrantedScopes {
  const { requested, asserted = limits.defaults, ofProvider, offered, permitted } = limits;
  if (asserted.some((scope) => !offered.includes(scope))) return refuse('foreign_scope');
  const scopes = [...new Set(asserted)].filter(
    (scope) =>
      (requested?.includes(scope) ?? true) && (ofProvider?.includes(scope) ?? true) && permitted.includes(scope),
  );
  return scopes.length > 0 ? { ok: true, scopes } : refuse('nothing_granted');
}
