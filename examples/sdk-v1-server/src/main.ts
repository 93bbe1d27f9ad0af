import { requireBearerAuth } from '@modelcontextprotocol/sdk/server/auth/middleware/bearerAuth.js';
import { createMcpExpressApp } from '@modelcontextprotocol/sdk/server/express.js';
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js';
import { createGuard } from '@portcullis/guard';
import { tokenVerifier } from '@portcullis/guard/mcp-sdk-v1';
import { nodeGuard } from '@portcullis/guard/node';
import type { NextFunction, Request, Response } from 'express';
import { createNotesServer, type Notebook } from './notes-server.ts';

// As in the configuration of Portcullis: the issuer's own URL, and this server's under `resources`.
const [issuer = 'http://localhost:4000', resource = 'http://localhost:4002/mcp'] = process.argv.slice(2);
const { port, pathname } = new URL(resource);

const guard = createGuard({
  issuer,
  resource,
  resourceName: 'Notes',
  scopes: { supported: ['notes:read'], baseline: ['notes:read'] },
});

const notebook: Notebook = new Map();
const app = createMcpExpressApp();

// Where clients learn which authorization server to go to (RFC 9728). The guard answers by itself.
const metadata = nodeGuard(guard);
app.get(/^\/\.well-known\//, async (request, response) => void (await metadata(request, response)));

// The three lines that protect the server: everything below them has a verified caller.
const { resourceMetadataUrl } = guard;
const verifier = tokenVerifier(guard);
app.use(pathname, requireBearerAuth({ verifier, requiredScopes: ['notes:read'], resourceMetadataUrl }));

app.post(pathname, async (request, response) => {
  if (!request.auth) throw new Error('a request came past the guard');
  const server = createNotesServer(notebook, request.auth);
  const transport = new StreamableHTTPServerTransport({ enableJsonResponse: true });
  response.on('close', () => void server.close());
  await server.connect(transport);
  await transport.handleRequest(request, response, request.body);
});

app.all(pathname, (_request, response) => void response.status(405).set('Allow', 'POST').end());

// Without this, Express shows its stack to whoever sends broken JSON.
app.use((error: unknown, _request: Request, response: Response, next: NextFunction) => {
  if (response.headersSent) next(error);
  else response.status(400).json({ error: 'invalid_request' });
});

app.listen(Number(port), '127.0.0.1', () => console.log(`Notes are served at ${resource}`));
