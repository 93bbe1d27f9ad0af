import { createServer } from 'node:http';
import { createGuard } from '@portcullis/guard';
import { nodeGuard } from '@portcullis/guard/node';

export function helloServer(issuer: string, resource: string) {
  const guard = createGuard({
    issuer, // https://login.example.com
    resource, // https://mcp.example.com/mcp
    scopes: { supported: ['desk:read'], baseline: ['desk:read'] },
  });
  const authenticate = nodeGuard(guard);

  return createServer(async (request, response) => {
    try {
      const principal = await authenticate(request, response);
      if (principal === undefined) return; // the guard has answered
      response.end(`Hello, ${principal.subject}`);
    } catch (error) {
      console.error(error);
      response.headersSent ? response.destroy() : response.writeHead(500).end();
    }
  });
}
