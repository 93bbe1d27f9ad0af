import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { toNodeHandler } from '@modelcontextprotocol/node';
import {
  type AuthInfo,
  createMcpHandler,
  McpServer,
  OAuthError,
  OAuthErrorCode,
  requireBearerAuth,
} from '@modelcontextprotocol/server';
import { createGuard, type Guard, type Handler } from '@portcullis/guard';
import { mcpHandler } from '@portcullis/guard/mcp-sdk';
import { nodeHandler } from '@portcullis/guard/node';
import { createRemoteJWKSet, jwtVerify } from 'jose';
import { basicAuthorization } from '../scenarios/http-exchange.ts';
import type { NoOpReady, NoOpSettings } from './no-op-settings.ts';

const settings = JSON.parse(process.argv[2] ?? '{}') as NoOpSettings;

/** An MCP server with one tool that does nothing. */
function nothing(): McpServer {
  const server = new McpServer({ name: 'nothing', version: '1.0.0' });
  server.registerTool('nothing', { description: 'Does nothing' }, () => ({
    content: [{ type: 'text', text: 'done' }],
  }));
  return server;
}

const mcp = createMcpHandler(nothing);

async function guarded(): Promise<RequestListener> {
  const heard = Promise.withResolvers<void>();
  const guard = createGuard({
    issuer: settings.issuer,
    resource: settings.resource,
    declarations: { tools: { nothing: { scopes: settings.scopes } } },
    revocation: settings.client,
    onRevocationFeed: ({ state }) =>
      state === 'fresh' ? heard.resolve() : heard.reject(new Error(`the feed: ${state}`)),
  });
  await heard.promise;
  return nodeHandler(guard, mcpHandler(guard, mcp));
}

/** The guard's Node.js adapter with nothing behind it that judges: a message is parsed, as the guard parses it, once. */
function sameAdapter(): RequestListener {
  const admits: Pick<Guard, 'resource' | 'protect'> = {
    resource: settings.resource,
    async protect(request, _handler, connection) {
      const chunks: Uint8Array[] = [];
      for await (const chunk of connection?.body ?? []) chunks.push(chunk);
      return mcp.fetch(request, { parsedBody: JSON.parse(Buffer.concat(chunks).toString()) });
    },
  };
  const unused: Handler = () => new Response(null, { status: 500 });
  return nodeHandler(admits as Guard, unused);
}

function sdkAdapter(handler: { fetch: typeof mcp.fetch }): RequestListener {
  const listener = toNodeHandler(handler);
  return (request: IncomingMessage, response: ServerResponse) => {
    // The adapter's type wants both to be there, as they always are on a server's request.
    const { method = 'GET', url = '/' } = request;
    void listener(Object.assign(request, { method, url }), response);
  };
}

/** What the SDK itself offers to those who protect a server, with whatever verifies the tokens. */
function bearerAuth(verifyAccessToken: (token: string) => Promise<AuthInfo>): RequestListener {
  const gate = requireBearerAuth({ verifier: { verifyAccessToken }, requiredScopes: [...settings.scopes] });
  return sdkAdapter({
    async fetch(request) {
      const authInfo = await gate(request);
      return authInfo instanceof Response ? authInfo : mcp.fetch(request, { authInfo });
    },
  });
}

function verifiedWithJose(): (token: string) => Promise<AuthInfo> {
  const { issuer, resource: audience } = settings;
  const keys = createRemoteJWKSet(new URL(`${issuer}/jwks`));
  return async (token) => {
    const { payload } = await jwtVerify(token, keys, { issuer, audience, typ: 'at+jwt' });
    return authInfoOf(token, payload);
  };
}

function introspected(): (token: string) => Promise<AuthInfo> {
  const headers = basicAuthorization(settings.client);
  return async (token) => {
    const body = new URLSearchParams({ token });
    const answer = await fetch(`${settings.issuer}/introspect`, { method: 'POST', headers, body });
    const said = (await answer.json()) as Record<string, unknown>;
    if (said.active !== true) throw new OAuthError(OAuthErrorCode.InvalidToken, 'the token is not active');
    return authInfoOf(token, said);
  };
}

function authInfoOf(token: string, claims: Record<string, unknown>): AuthInfo {
  const scopes = String(claims.scope).split(' ');
  return { token, clientId: String(claims.client_id), scopes, expiresAt: Number(claims.exp) };
}

function chosen(): RequestListener | Promise<RequestListener> {
  switch (settings.protection) {
    case 'none, SDK adapter':
      return sdkAdapter(mcp);
    case 'none, guard adapter':
      return sameAdapter();
    case 'guard':
      return guarded();
    case 'requireBearerAuth with jose':
      return bearerAuth(verifiedWithJose());
    case 'introspection':
      return bearerAuth(introspected());
  }
}

const http = createServer(await chosen());
await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
process.on('disconnect', () => process.exit(0));
process.send?.({ port: (http.address() as AddressInfo).port } satisfies NoOpReady);
