import type { RequestStateCodec } from '@modelcontextprotocol/server';
import { McpServer } from '@modelcontextprotocol/server';
import { registerAskingTools } from './asking-tools.ts';
import { registerContentTools } from './content-tools.ts';
import type { RoundState } from './input-required-tools.ts';
import { registerInputRequiredTools } from './input-required-tools.ts';
import type { ListChanges } from './list-changes.ts';
import { registerListChanges } from './list-changes.ts';
import { registerNotifyingTools } from './notifying-tools.ts';
import { registerPrompts } from './prompts.ts';
import { registerResources } from './resources.ts';
import { registerSchemaTools } from './schema-tools.ts';

/** What all instances of one fixture share. */
export type FixtureState = { changes: ListChanges; states: RequestStateCodec<RoundState> };

/** A fresh MCP server with every tool, resource and prompt that the official conformance suite asks for by name. */
export function createFixtureMcp({ changes, states }: FixtureState): McpServer {
  const server = new McpServer(
    { name: 'portcullis-conformance-fixture', version: '1.0.0' },
    {
      capabilities: {
        tools: { listChanged: true },
        prompts: { listChanged: true },
        resources: { subscribe: true, listChanged: true },
        logging: {},
        completions: {},
      },
      requestState: { verify: states.verify },
    },
  );
  registerContentTools(server);
  registerNotifyingTools(server);
  registerAskingTools(server);
  registerInputRequiredTools(server, states);
  registerSchemaTools(server);
  registerListChanges(server, changes);
  registerResources(server);
  registerPrompts(server);
  return server;
}
