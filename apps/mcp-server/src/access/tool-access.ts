import { StartupError } from '@portcullis/platform';
import { permittedScopes, type RolePermissions } from './roles.ts';

/** What a tool asks of whoever calls it. */
export type AccessDeclaration = {
  /** Every one of these scopes is needed; `'any-valid-token'` asks for none, and says so. */
  scopes: readonly string[] | 'any-valid-token';
  /**
   * What a caller without the scopes meets. `'hide'`, the default: the tool is not there.
   * `'challenge'`: it is listed, and a call is answered with what to ask for, if the user's roles permit that.
   */
  whenScopeMissing?: 'hide' | 'challenge';
};

/** The part of a principal that decides what it may do. */
export type Caller = {
  scopes: readonly string[];
  /** `undefined` where the token names no roles. */
  roles: readonly string[] | undefined;
};

/** What becomes of a tool for one caller. */
export type ToolAccess = 'listed-and-callable' | 'listed-and-challenged' | 'hidden';

/**
 * Decides whether a caller sees and may call a tool (SP-25).
 * A scope counts when the token has it and, where the token names roles, one of them permits it too:
 * a role taken away works at once, before the token expires. Scopes imply no other scopes here (RS-21).
 */
export function decideToolAccess(
  declaration: AccessDeclaration,
  caller: Caller,
  permissions: RolePermissions,
): ToolAccess {
  const { scopes: needed, whenScopeMissing = 'hide' } = declaration;
  if (needed === 'any-valid-token') return 'listed-and-callable';
  const permitted = permittedScopes(caller.roles, permissions);
  const rolesAllow = permitted === undefined || needed.every((scope) => permitted.has(scope));
  if (rolesAllow && needed.every((scope) => caller.scopes.includes(scope))) return 'listed-and-callable';
  // A step-up is something a user consents to, so it is offered to users whose roles allow it and to nobody else.
  if (whenScopeMissing === 'challenge' && permitted !== undefined && rolesAllow) return 'listed-and-challenged';
  return 'hidden';
}

const OMNIBUS_SCOPES: readonly string[] = ['*', 'all', 'full-access'];

/**
 * Refuses declarations that protect nothing: no scopes at all, an empty scope, or one that stands for everything (RS-22).
 * @throws {StartupError} naming each tool and what to change.
 */
export function assertDeclarations(tools: readonly ({ name: string } & AccessDeclaration)[]): void {
  const problems = tools.flatMap((tool) => declarationProblems(tool).map((problem) => `Tool ${tool.name}: ${problem}`));
  const names = tools.map((tool) => tool.name);
  const twice = names.filter((name, index) => names.indexOf(name) !== index);
  problems.push(...twice.map((name) => `Tool ${name} is declared twice; rename one of them.`));
  if (problems.length > 0) throw new StartupError(problems);
}

function declarationProblems({ scopes }: AccessDeclaration): string[] {
  if (scopes === 'any-valid-token') return [];
  if (scopes.length === 0) return ["declares no scopes; name them, or say 'any-valid-token'."];
  return scopes
    .filter(isTooBroad)
    .map((scope) => `the scope "${scope}" is no single permission; name what the tool needs.`);
}

function isTooBroad(scope: string): boolean {
  return scope.trim() === '' || scope.includes('*') || OMNIBUS_SCOPES.includes(scope.toLowerCase());
}
