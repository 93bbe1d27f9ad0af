import { createServer } from 'node:http';
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import { createGuard } from '@portcullis/guard';
import { mcpV1Handler } from '@portcullis/guard/mcp-sdk-v1';
import { nodeHandler } from '@portcullis/guard/node';

export function mcpServer(issuer: string, resource: string) {
  const declarations = { tools: { whoami: { scopes: ['desk:read'], baseline: true } } };
  const guard = createGuard({ issuer, resource, declarations });
  return createServer(nodeHandler(guard, mcpV1Handler(guard, tools)));
}

function tools() {
  const server = new McpServer({ name: 'desk', version: '1.0.0' });
  server.registerTool('whoami', { description: 'Who is calling' }, ({ authInfo }) => ({
    content: [{ type: 'text', text: `${authInfo?.clientId}: ${authInfo?.scopes.join(' ')}` }],
  }));
  return server;
}
