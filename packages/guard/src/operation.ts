import { type Access, type Caller, decideAccess } from './access.ts';
import type { DeclarationIndex, DeclaredKind } from './declarations.ts';
import { isObject } from './fetch-json.ts';
import { type McpMessage, messageId, subscribedUris } from './mcp-message.ts';
import type { ScopeHierarchy } from './scope-hierarchy.ts';

/** What a message wants to use; several names where it subscribes to several resources. */
type Operation = Readonly<{ kind: DeclaredKind; names: readonly unknown[] }>;

/** What is judged by: the declarations, and which scopes imply others. */
export type AccessRules = Readonly<{ declarations: DeclarationIndex; hierarchy: ScopeHierarchy }>;

/**
 * Why a message goes no further.
 *
 * - `insufficient_scope`: to be had with the scopes `required`
 * - `undeclared`, `hidden`: nobody declared it, or this caller may not know of it. The wire tells them apart from
 *   nothing, and not from each other.
 */
export type OperationRefusal =
  | Readonly<{ reason: 'insufficient_scope'; required: readonly string[] }>
  | UnknownPrimitive;

/** `name` as the message has it, up to 2048 characters; `method` and `id` are the message's. */
export type UnknownPrimitive = Readonly<{
  reason: 'undeclared' | 'hidden';
  kind: DeclaredKind;
  name: string;
  method: unknown;
  id: string | number | null;
}>;

// What asks for nothing that was declared: the life of a connection, and lists, whose answers are sifted.
const OPEN_METHODS: ReadonlySet<unknown> = new Set([
  'initialize',
  'ping',
  'logging/setLevel',
  'server/discover',
  'tools/list',
  'resources/list',
  'resources/templates/list',
  'prompts/list',
]);

/**
 * Judges one message by its body alone. Headers such as `Mcp-Name` are a server's to compare with it; nothing here
 * believes them. A message without a method is an answer of the client, and passes.
 *
 * @returns undefined when it may go on
 */
export function judgeOperation(message: McpMessage, caller: Caller, rules: AccessRules): OperationRefusal | undefined {
  const operation = operationOf(message);
  const required = new Set<string>();
  for (const name of operation?.names ?? []) {
    const kind = operation?.kind ?? 'methods';
    const refuse = (reason: 'undeclared' | 'hidden') =>
      ({
        reason,
        kind,
        name: typeof name === 'string' ? name.slice(0, 2048) : '',
        method: message.method,
        id: messageId(message),
      }) as const;
    const found = rules.declarations.find(kind, name);
    if (found.length === 0) return refuse('undeclared');
    for (const declaration of found) {
      const access = decideAccess(declaration, caller, rules.hierarchy);
      if (access === 'hidden') return refuse('hidden');
      if (access === 'listed-and-callable') continue;
      for (const { scopes } of found) if (scopes !== 'any-valid-token') for (const scope of scopes) required.add(scope);
    }
  }
  return required.size > 0 ? { reason: 'insufficient_scope', required: [...required] } : undefined;
}

/** What one caller may do with what has this name; hidden when nobody declared it. */
export function accessTo(
  { kind, name }: { kind: DeclaredKind; name: unknown },
  caller: Caller,
  { declarations, hierarchy }: AccessRules,
): Access {
  const all = declarations.find(kind, name).map((declaration) => decideAccess(declaration, caller, hierarchy));
  if (all.length === 0 || all.includes('hidden')) return 'hidden';
  return all.includes('listed-and-challenged') ? 'listed-and-challenged' : 'listed-and-callable';
}

function operationOf(message: McpMessage): Operation | undefined {
  const { method, params } = message;
  if (typeof method !== 'string' || OPEN_METHODS.has(method) || method.startsWith('notifications/')) return undefined;
  const given = isObject(params) ? params : {};
  switch (method) {
    case 'tools/call':
      return { kind: 'tools', names: [given.name] };
    case 'prompts/get':
      return { kind: 'prompts', names: [given.name] };
    case 'resources/read':
    case 'resources/subscribe':
    case 'resources/unsubscribe':
      return { kind: 'resources', names: [given.uri] };
    case 'completion/complete':
      return completed(isObject(given.ref) ? given.ref : {});
    case 'subscriptions/listen':
      return { kind: 'resources', names: subscribed(subscribedUris(message)) };
    default:
      return { kind: 'methods', names: [method] };
  }
}

function completed(ref: Record<string, unknown>): Operation {
  return ref.type === 'ref/resource' ? { kind: 'resources', names: [ref.uri] } : { kind: 'prompts', names: [ref.name] };
}

function subscribed(uris: unknown): readonly unknown[] {
  if (uris === undefined) return [];
  // Anything but a list names no resource that was declared.
  return Array.isArray(uris) ? [...new Set(uris)] : [undefined];
}
