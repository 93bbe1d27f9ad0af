import type { AccessDeclaration, Binding, Credential, UpstreamTokenResult } from '@portcullis/guard';
import { z } from 'zod';
import type { PolicyDeclaration } from '../policy/declaration.ts';
import type { DeskView } from '../store/desk-store.ts';

/** Who calls a tool, as its token says. Never the token itself. */
export type ToolPrincipal = {
  readonly subject: string;
  /** What was shown. */
  readonly credential: Credential;
  readonly clientId: string;
  /** What the user once allowed, and the token came of. */
  readonly grantId?: string | undefined;
  readonly scopes: readonly string[];
  readonly roles: readonly string[] | undefined;
  readonly expiresAt: Date;
  /** What the token is bound to, and the caller has proven to hold; undefined for a bearer token. */
  readonly boundTo?: Binding | undefined;
};

/** What a tool works with in one call. */
export type ToolContext = {
  principal: ToolPrincipal;
  /** What this user may see of the desk's data, and nothing else. */
  store: DeskView;
  /** Whether the token has a scope and, where it names roles, one of them permits it too. */
  permits(scope: string): boolean;
  /** A token of a third-party service in the caller's name: a token of the service's own, never the caller's. */
  upstreamToken(upstream: string): Promise<UpstreamTokenResult>;
  now: Date;
  /** Aborted when the call's time is over or its caller is gone: pass it on to whatever takes long. */
  signal: AbortSignal;
};

/** Why a call came to nothing: its arguments do not fit, there is no such thing (no such ticket), or it met a limit. */
export type ToolRefusalReason = 'invalid-arguments' | 'impossible' | 'timed-out' | 'cancelled' | 'result-too-large';

/** How a call ended: with a value, or with words for the model. */
export type ToolOutcome<Value> =
  | { ok: true; value: Value }
  | { ok: false; refusal: { reason: ToolRefusalReason; message: string } };

/** What `tools/list` says about a tool. */
type ToolListing = {
  name: string;
  title: string;
  description: string;
  inputSchema: JsonObjectSchema;
  outputSchema: JsonObjectSchema;
  annotations: { readOnlyHint: boolean; destructiveHint: boolean; idempotentHint: boolean; openWorldHint: boolean };
};

/** Whether the user has to agree to each single call, besides the scope that it needs (SP-29). */
type Confirmation = 'none' | 'required';

/** A tool as the server sees it, whatever its arguments are. */
export type Tool = AccessDeclaration &
  PolicyDeclaration & {
    name: string;
    confirmation: Confirmation;
    listing: ToolListing;
    /** Checks `args` against the input schema: what the tool would be given, defaults put in. */
    read(args: unknown): ToolOutcome<Record<string, unknown>>;
    /** Checks `args` against the input schema, runs the tool, and checks the answer against the output schema. */
    call(args: unknown, context: ToolContext): Promise<ToolOutcome<Record<string, unknown>>>;
  };

/** What one file in this folder says about its tool. */
export type ToolDefinition<Input extends z.ZodObject, Output extends z.ZodObject> = AccessDeclaration &
  PolicyDeclaration &
  Omit<ToolListing, 'inputSchema' | 'outputSchema'> & {
    /** `'none'` by default. */
    confirmation?: Confirmation;
    input: Input;
    output: Output;
    run(args: z.output<Input>, context: ToolContext): Promise<ToolOutcome<z.input<Output>>>;
  };

type JsonObjectSchema = { type: 'object'; [keyword: string]: unknown };

const MESSAGE_CAP_CHARACTERS = 600;

/**
 * Makes a tool of a definition. Both schemas must be strict objects: a property that no schema names is refused
 * on the way in and is a fault on the way out.
 * @throws {TypeError} where a schema would let unknown properties through.
 */
export function defineTool<Input extends z.ZodObject, Output extends z.ZodObject>(
  definition: ToolDefinition<Input, Output>,
): Tool {
  const { name, title, description, annotations, input, output, scopes } = definition;
  const read = (args: unknown): ToolOutcome<z.output<Input>> => {
    const parsed = input.safeParse(args ?? {});
    if (parsed.success) return { ok: true, value: parsed.data };
    return { ok: false, refusal: { reason: 'invalid-arguments', message: describeIssues(parsed.error) } };
  };
  return {
    name,
    scopes,
    whenScopeMissing: definition.whenScopeMissing ?? 'hide',
    confirmation: definition.confirmation ?? 'none',
    cost: definition.cost ?? 1,
    ...(definition.callsPerMinute !== undefined && { callsPerMinute: definition.callsPerMinute }),
    listing: {
      name,
      title,
      description,
      annotations,
      inputSchema: strictSchema(input),
      outputSchema: strictSchema(output),
    },
    read,
    async call(args, context) {
      const given = read(args);
      if (!given.ok) return given;
      const outcome = await definition.run(given.value, context);
      return outcome.ok ? { ok: true, value: output.parse(outcome.value) } : outcome;
    },
  };
}

function strictSchema(schema: z.ZodObject): JsonObjectSchema {
  const json = z.toJSONSchema(schema, { io: 'input' });
  if (json.additionalProperties !== false) throw new TypeError('a tool schema must refuse unknown properties');
  return { ...json, type: 'object' };
}

function describeIssues(error: z.ZodError): string {
  const lines = error.issues.map((issue) => `${issue.path.join('.') || 'arguments'}: ${issue.message}`);
  return lines.join('; ').slice(0, MESSAGE_CAP_CHARACTERS);
}
