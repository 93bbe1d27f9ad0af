import { McpServer } from '@modelcontextprotocol/server';
import type { Declarations } from '@portcullis/guard';
import { z } from 'zod';

/** Your server, as it is without a guard. */
export function desk() {
  const server = new McpServer({ name: 'desk', version: '1.0.0' });
  server.registerTool('whoami', { description: 'Who is calling' }, ({ http }) => ({
    content: [{ type: 'text', text: `${http?.authInfo?.clientId}: ${http?.authInfo?.scopes.join(' ')}` }],
  }));
  const ticket = z.object({ id: z.string() });
  server.registerTool('close_ticket', { description: 'Close a ticket', inputSchema: ticket }, ({ id }) => ({
    content: [{ type: 'text', text: `closed ${id}` }],
  }));
  server.registerTool('export_customers', { description: 'Export all customers' }, () => ({
    content: [{ type: 'text', text: 'exported' }],
  }));
  return server;
}

/** What its tools ask of their callers. */
export const declarations: Declarations = {
  tools: {
    whoami: { scopes: ['desk:read'], baseline: true },
    close_ticket: { scopes: ['desk:write'], whenScopeMissing: 'challenge' },
    export_customers: { scopes: ['desk:admin'] },
  },
};
