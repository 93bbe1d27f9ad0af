import type { ScopeHierarchy } from './scope-hierarchy.ts';
import { withImplied } from './scope-hierarchy.ts';

/** What a tool, resource or prompt asks of whoever uses it. */
export type AccessDeclaration = Readonly<{
  /** Every one of these scopes is needed; `'any-valid-token'` asks for none, and says so. Never empty. */
  scopes: readonly string[] | 'any-valid-token';
  /**
   * What a caller without the scopes meets. `'hide'`, the default: it is not there. `'challenge'`: it is listed, and
   * its use is answered with what to ask for.
   */
  whenScopeMissing?: 'hide' | 'challenge' | undefined;
  /** Whether clients are told to ask for these scopes when a user first signs in. Default: false. */
  baseline?: boolean | undefined;
}>;

/** What one caller may do with one thing. A closed set. */
export type Access = 'listed-and-callable' | 'listed-and-challenged' | 'hidden';

/** The part of a caller that decides what it may do. */
export type Caller = Readonly<{
  scopes: readonly string[];
  /**
   * What the user's roles permit at all. `undefined` where nothing but the token limits the caller and nobody is there
   * who could consent to more, as with a machine that acts for itself; `'any'` where no scope is beyond the user.
   */
  permitted: ReadonlySet<string> | 'any' | undefined;
}>;

/**
 * Decides whether a caller sees and may use what was declared so. A scope counts when the token has it, or one that
 * implies it, and the user's roles permit it: a role taken away works at once, before the token expires.
 *
 * @see MCP 2026-07-28, authorization, step-up
 */
export function decideAccess(
  { scopes: needed, whenScopeMissing = 'hide' }: AccessDeclaration,
  { scopes, permitted }: Caller,
  hierarchy: ScopeHierarchy,
): Access {
  if (needed === 'any-valid-token') return 'listed-and-callable';
  const rolesAllow = permitted === undefined || permitted === 'any' || needed.every((scope) => permitted.has(scope));
  if (!rolesAllow) return 'hidden';
  const held = withImplied(scopes, hierarchy);
  if (needed.every((scope) => held.has(scope))) return 'listed-and-callable';
  // A step-up is something a user consents to, so it is offered where there is a user who may have the scopes.
  return whenScopeMissing === 'challenge' && permitted !== undefined ? 'listed-and-challenged' : 'hidden';
}
