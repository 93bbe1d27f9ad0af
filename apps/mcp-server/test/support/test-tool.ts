import { z } from 'zod';
import { defineTool, type Tool, type ToolDefinition } from '../../src/tools/tool.ts';

const empty = z.strictObject({});
type Definition = ToolDefinition<typeof empty, typeof empty>;

/** A tool without arguments that any token may call, and that does nothing unless `parts` say so. */
export function testTool(name: string, parts: Partial<Definition> = {}): Tool {
  return defineTool({
    name,
    title: name,
    description: 'A tool of the tests.',
    annotations: { readOnlyHint: true, destructiveHint: false, idempotentHint: true, openWorldHint: false },
    scopes: 'any-valid-token',
    input: empty,
    output: empty,
    run: async () => ({ ok: true, value: {} }),
    ...parts,
  });
}
