import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { toNodeHandler } from '@modelcontextprotocol/node';
import { createMcpHandler, McpServer } from '@modelcontextprotocol/server';
import { createGuard } from '@portcullis/guard';
import { mcpHandler } from '@portcullis/guard/mcp-sdk';
import { nodeHandler } from '@portcullis/guard/node';

const [, , issuer = '', resource = ''] = process.argv;

/** An MCP server with one tool that does nothing. */
function server(): McpServer {
  const made = new McpServer({ name: 'nothing', version: '1.0.0' });
  made.registerTool('nothing', { description: 'Does nothing' }, () => ({ content: [{ type: 'text', text: 'done' }] }));
  return made;
}

async function listen(listener: RequestListener): Promise<number> {
  const http = createServer(listener);
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
  return (http.address() as AddressInfo).port;
}

const guard = createGuard({
  issuer,
  resource,
  declarations: { tools: { nothing: { scopes: ['nothing'] } } },
  revocation: { clientId: 'server', clientSecret: 'secret' },
});

const plain = toNodeHandler(createMcpHandler(server));

/** On one port as it is, on another one with the guard in front. */
process.send?.({
  plain: await listen((request, response) => {
    // The adapter's type wants both to be there, as they always are on a server's request.
    const { method = 'GET', url = '/' } = request;
    void plain(Object.assign(request, { method, url }), response);
  }),
  guarded: await listen(nodeHandler(guard, mcpHandler(guard, createMcpHandler(server)))),
});
process.on('message', () => {
  const { user, system } = process.cpuUsage();
  process.send?.({ cpuSeconds: (user + system) / 1e6, feed: guard.metrics().revocation });
});
process.on('disconnect', () => process.exit(0));
