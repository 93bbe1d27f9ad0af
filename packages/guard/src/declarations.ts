import type { AccessDeclaration } from './access.ts';
import { matchesTemplate } from './uri-template.ts';

/** The kinds of things that are declared. `methods` are those beyond the MCP specification's own. */
export const DECLARED_KINDS = ['tools', 'resources', 'prompts', 'methods'] as const;
/** One of {@link DECLARED_KINDS}. */
export type DeclaredKind = (typeof DECLARED_KINDS)[number];

/**
 * Everything that an MCP server offers, with what each asks of its caller. What is not here is refused.
 *
 * `tools` and `prompts` by name; `resources` by URI or URI template (RFC 6570) as the server registers them, for
 * reading, subscribing and completing; `methods` by JSON-RPC method, for extensions such as `tasks/get`.
 */
export type Declarations = Readonly<Partial<Record<DeclaredKind, Readonly<Record<string, AccessDeclaration>>>>>;

/** Declarations by kind and name, to be looked up by what a request says. */
export type DeclarationIndex = Readonly<{
  /** All declarations that cover a name; of resources there can be several, and then all of them count. */
  find(kind: DeclaredKind, name: unknown): readonly AccessDeclaration[];
  all: readonly (AccessDeclaration & Readonly<{ kind: DeclaredKind; name: string }>)[];
}>;

/** Puts declarations in order, once. */
export function indexDeclarations(declarations: Declarations): DeclarationIndex {
  const all = DECLARED_KINDS.flatMap((kind) =>
    Object.entries(declarations[kind] ?? {}).map(([name, declaration]) => ({ ...declaration, kind, name })),
  );
  const exact = new Map(all.map((entry) => [`${entry.kind} ${entry.name}`, [entry]]));
  const templates = all.filter(({ kind, name }) => kind === 'resources' && name.includes('{'));

  function covering(kind: DeclaredKind, name: unknown): readonly AccessDeclaration[] {
    if (typeof name !== 'string') return [];
    const found = exact.get(`${kind} ${name}`);
    if (kind !== 'resources') return found ?? [];
    return found ?? templates.filter((entry) => matchesTemplate(entry.name, name));
  }

  return {
    all,
    find(kind, name) {
      const asWritten = covering(kind, name);
      if (kind !== 'resources' || asWritten.length === 0) return asWritten;
      // A server may look a URI up in another spelling than it was asked in. What covers that one counts as well.
      return [...new Set([...asWritten, ...otherSpellings(String(name)).flatMap((uri) => covering(kind, uri))])];
    },
  };
}

function otherSpellings(uri: string): string[] {
  const normal = URL.canParse(uri) ? new URL(uri).href : uri;
  return [normal, decoded(uri), decoded(normal)].filter((spelling) => spelling !== uri);
}

function decoded(uri: string): string {
  try {
    return decodeURIComponent(uri);
  } catch {
    return uri;
  }
}

const OMNIBUS_SCOPES: readonly string[] = ['*', 'all', 'full-access'];

/**
 * What is wrong with declarations, one sentence each: no scopes at all, an empty one, or one that stands for
 * everything.
 */
export function declarationProblems(declarations: Declarations): string[] {
  return indexDeclarations(declarations).all.flatMap(({ kind, name, scopes }) => {
    const subject = `${kind.slice(0, -1)} ${name}`;
    if (scopes === 'any-valid-token') return [];
    if (scopes.length === 0) return [`${subject} declares no scopes; name them, or say 'any-valid-token'`];
    return scopes
      .filter(isTooBroad)
      .map((scope) => `${subject}: the scope "${scope}" is no single permission; name what is needed`);
  });
}

function isTooBroad(scope: string): boolean {
  return scope.trim() === '' || scope.includes('*') || OMNIBUS_SCOPES.includes(scope.toLowerCase());
}
