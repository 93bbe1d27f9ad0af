import { createMcpHandler } from '@modelcontextprotocol/server';
import { createGuard } from '@portcullis/guard';
import { mcpHandler } from '@portcullis/guard/mcp-sdk';
import { declarations, desk } from './desk.ts';

export function fetchServer(issuer: string, resource: string) {
  const guard = createGuard({ issuer, resource, declarations });
  const handler = mcpHandler(guard, createMcpHandler(desk));
  return { fetch: (request: Request) => guard.protect(request, handler) };
}
