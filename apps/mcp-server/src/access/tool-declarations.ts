import { type AccessDeclaration, declarationProblems } from '@portcullis/guard';
import { StartupError } from '@portcullis/platform';

/**
 * What the tools ask of their callers, as the guard takes it (SP-25).
 * @throws {StartupError} naming each tool that protects nothing (RS-22) or is declared twice, and what to change.
 */
export function toolDeclarations(
  tools: readonly ({ name: string } & AccessDeclaration)[],
): Readonly<Record<string, AccessDeclaration>> {
  const declared = Object.fromEntries(tools.map((tool) => [tool.name, accessOf(tool)]));
  const names = tools.map((tool) => tool.name);
  const twice = names.filter((name, index) => names.indexOf(name) !== index);
  const problems = [
    ...declarationProblems({ tools: declared }),
    ...twice.map((name) => `tool ${name} is declared twice; rename one of them`),
  ];
  if (problems.length > 0) throw new StartupError(problems.map(sentence));
  return declared;
}

function accessOf({ scopes, whenScopeMissing, baseline }: AccessDeclaration): AccessDeclaration {
  return { scopes, whenScopeMissing, baseline };
}

function sentence(problem: string): string {
  return `${problem.charAt(0).toUpperCase()}${problem.slice(1)}.`;
}
