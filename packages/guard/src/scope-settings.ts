import type { Caller } from './access.ts';
import { type DeclarationIndex, type Declarations, declarationProblems } from './declarations.ts';
import type { Principal } from './principal.ts';
import type { ScopeHierarchy } from './scope-hierarchy.ts';

/** The part of a guard's options that says what is offered, and to whom. */
export type ScopeOptions = {
  /** May be left out where `declarations` say which scopes are the baseline. */
  scopes?: {
    /**
     * `scopes_supported` of the metadata: the smallest set that is of use. May be empty; never `offline_access`.
     * Default: the baseline.
     */
    supported?: readonly string[];
    /**
     * What every challenge asks for at least. May be empty; never `offline_access`. Default: the scopes of the
     * declarations that are marked `baseline`.
     */
    baseline?: readonly string[];
    /** Which scopes a broader one implies, such as `{ 'desk:admin': ['desk:read'] }`. Default: none. */
    implied?: Readonly<Record<string, readonly string[]>>;
  };
  /**
   * What the MCP server offers, and what each asks of its caller. With them `protect` judges the body of every message,
   * refuses what nobody declared and sifts lists. Default: bodies are not judged.
   */
  declarations?: Declarations;
  /**
   * The scopes that a user's roles permit at all, whatever his token has. `undefined` for a caller whom nothing but
   * the token limits and who is offered no further scopes, such as a machine. Default: every scope is permitted.
   */
  permittedScopes?: (principal: Principal) => Iterable<string> | undefined;
};

/** What is offered and to whom, judged and complete. */
export type ScopeSettings = Readonly<{
  supportedScopes: readonly string[];
  baselineScopes: readonly string[];
  /** undefined where bodies are not judged. */
  declarations: DeclarationIndex | undefined;
  hierarchy: ScopeHierarchy;
  permittedScopes: (principal: Principal) => Caller['permitted'];
}>;

/** Fills in what the declarations say where the options do not. */
export function scopeSettings(
  { scopes, permittedScopes }: ScopeOptions,
  declarations: DeclarationIndex | undefined,
): ScopeSettings {
  const baselineScopes = [...(scopes?.baseline ?? declaredScopes(declarations, { baseline: true }))];
  return {
    supportedScopes: [...(scopes?.supported ?? baselineScopes)],
    baselineScopes,
    declarations,
    hierarchy: new Map(Object.entries(scopes?.implied ?? {})),
    permittedScopes(principal) {
      if (permittedScopes === undefined) return 'any';
      const permitted = permittedScopes(principal);
      return permitted && new Set(permitted);
    },
  };
}

function declaredScopes(declarations: DeclarationIndex | undefined, wanted: { baseline?: boolean } = {}): string[] {
  const entries = declarations?.all.filter(({ baseline }) => !wanted.baseline || baseline) ?? [];
  return [...new Set(entries.flatMap(({ scopes }) => (scopes === 'any-valid-token' ? [] : scopes)))];
}

/** What is wrong with scopes and declarations, one sentence each. */
export function scopeProblems(options: ScopeOptions, declarations: DeclarationIndex | undefined): string[] {
  const { scopes } = options;
  const named = [scopes?.supported, scopes?.baseline, Object.entries(scopes?.implied ?? {}).flat(2)].flatMap(
    (list) => list ?? [],
  );
  const all = [...new Set([...named, ...declaredScopes(declarations)])];
  return [
    ...declarationProblems(options.declarations ?? {}),
    ...(scopes?.baseline || declarations ? [] : ['scopes.baseline is needed where there are no declarations']),
    ...all.flatMap((scope) => (isScope(scope) ? [] : [`scopes: ${scope} is no scope token`])),
    ...(all.includes('offline_access') ? ['scopes: offline_access is between the client and the issuer'] : []),
  ];
}

// RFC 6749 section 3.3
function isScope(text: string): boolean {
  return /^[\x21\x23-\x5b\x5d-\x7e]+$/.test(text);
}
