import { DECLARED_KINDS, type Declarations } from './declarations.ts';

/**
 * Writes declarations as a table in Markdown, for documentation that cannot differ from what is enforced: kind, name,
 * scopes, and what a caller without them meets. In the order of the declarations.
 */
export function declarationTable(declarations: Declarations): string {
  const rows = DECLARED_KINDS.flatMap((kind) =>
    Object.entries(declarations[kind] ?? {}).map(([name, { scopes, whenScopeMissing = 'hide' }]) =>
      scopes === 'any-valid-token'
        ? [kind.slice(0, -1), code(name), 'any valid token', '']
        : [kind.slice(0, -1), code(name), scopes.map(code).join(' '), whenScopeMissing],
    ),
  );
  const lines = [['', 'name', 'scopes', 'without them'], ['---', '---', '---', '---'], ...rows];
  return lines.map((cells) => `| ${cells.join(' | ')} |\n`).join('');
}

function code(text: string): string {
  return `\`${text.replaceAll('|', '\\|')}\``;
}
