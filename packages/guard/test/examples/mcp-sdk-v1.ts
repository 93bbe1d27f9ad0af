import { createServer } from 'node:http';
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js';
import { authInfo, createGuard } from '@portcullis/guard';
import { nodeGuard } from '@portcullis/guard/node';

export function mcpServer(issuer: string, resource: string) {
  const guard = createGuard({
    issuer,
    resource,
    scopes: { supported: ['desk:read'], baseline: ['desk:read'] },
  });
  const authenticate = nodeGuard(guard);

  return createServer(async (request, response) => {
    try {
      const principal = await authenticate(request, response);
      if (principal === undefined) return;
      const transport = new StreamableHTTPServerTransport(); // no sessions
      const server = tools();
      response.on('close', () => void server.close());
      await server.connect(transport as Parameters<typeof server.connect>[0]);
      await transport.handleRequest(Object.assign(request, { auth: authInfo(guard, principal) }), response);
    } catch (error) {
      console.error(error);
      response.headersSent ? response.destroy() : response.writeHead(500).end();
    }
  });
}

function tools() {
  const server = new McpServer({ name: 'desk', version: '1.0.0' });
  server.registerTool('whoami', { description: 'Who is calling' }, ({ authInfo }) => ({
    content: [{ type: 'text', text: `${authInfo?.clientId}: ${authInfo?.scopes.join(' ')}` }],
  }));
  return server;
}
