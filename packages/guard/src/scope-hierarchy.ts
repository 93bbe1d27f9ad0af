/** Which scopes a broader one implies. Chains count: what an implied scope implies is implied too. */
export type ScopeHierarchy = ReadonlyMap<string, readonly string[]>;

/**
 * The scopes that a token has, with all that they imply.
 *
 * @see MCP 2026-07-28, authorization, step-up: hierarchies count when sufficiency is judged
 */
export function withImplied(scopes: readonly string[], hierarchy: ScopeHierarchy): ReadonlySet<string> {
  // A set that is added to while it is walked also walks what was added.
  const held = new Set(scopes);
  for (const scope of held) for (const implied of hierarchy.get(scope) ?? []) held.add(implied);
  return held;
}
