import type { JsonSchemaType, McpServer } from '@modelcontextprotocol/server';
import { fromJsonSchema } from '@modelcontextprotocol/server';

/** Registers the tools whose input schema must reach the client untouched. */
export function registerSchemaTools(server: McpServer): void {
  server.registerTool(
    'json_schema_2020_12_tool',
    { description: 'Tool with JSON Schema 2020-12 features', inputSchema: fromJsonSchema(contactSchema) },
    () => ({ content: [{ type: 'text', text: 'The input fits the schema.' }] }),
  );

  server.registerTool(
    'test_x_mcp_header',
    {
      description: 'Has an argument that is repeated in a header',
      inputSchema: fromJsonSchema<{ region: string }>(regionSchema),
    },
    ({ region }) => ({ content: [{ type: 'text', text: `Region: ${region}` }] }),
  );
}

// Every keyword here is one that the suite looks for in tools/list.
const contactSchema: JsonSchemaType = {
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  type: 'object',
  $defs: {
    address: {
      $anchor: 'addressDef',
      type: 'object',
      properties: { street: { type: 'string' }, city: { type: 'string' } },
    },
  },
  properties: {
    name: { type: 'string' },
    address: { $ref: '#/$defs/address' },
    contactMethod: { type: 'string', enum: ['phone', 'email'] },
    phone: { type: 'string' },
    email: { type: 'string' },
  },
  allOf: [{ anyOf: [{ required: ['phone'] }, { required: ['email'] }] }],
  if: { properties: { contactMethod: { const: 'phone' } }, required: ['contactMethod'] },
  // biome-ignore lint/suspicious/noThenProperty: a JSON Schema keyword, not a promise
  then: { required: ['phone'] },
  else: { required: ['email'] },
  additionalProperties: false,
};

const region = { type: 'string' as const, 'x-mcp-header': 'Region' };
const regionSchema: JsonSchemaType = {
  type: 'object',
  properties: { region },
  required: ['region'],
};
