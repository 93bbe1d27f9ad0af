import { requireBearerAuth } from '@modelcontextprotocol/sdk/server/auth/middleware/bearerAuth.js';
import { createMcpExpressApp } from '@modelcontextprotocol/sdk/server/express.js';
import { createGuard } from '@portcullis/guard';
import { tokenVerifier } from '@portcullis/guard/mcp-sdk-v1';

export function bearerApp(issuer: string, resource: string) {
  const guard = createGuard({
    issuer,
    resource,
    scopes: { supported: ['desk:read'], baseline: ['desk:read'] },
  });

  const app = createMcpExpressApp();
  const { resourceMetadataUrl } = guard;
  app.use(
    requireBearerAuth({ verifier: tokenVerifier(guard), resourceMetadataUrl, expectedResource: new URL(resource) }),
  );
  app.post('/mcp', (request, response) => void response.json({ caller: request.auth?.clientId }));
  return app;
}
