import { createMcpHandler } from '@modelcontextprotocol/server';
import { createGuard } from '@portcullis/guard';
import { honoGuard } from '@portcullis/guard/hono';
import { mcpHandler } from '@portcullis/guard/mcp-sdk';
import { Hono } from 'hono';
import { declarations, desk } from './desk.ts';

export function honoApp(issuer: string, resource: string) {
  const app = new Hono();
  const guard = createGuard({ issuer, resource, declarations });
  app.use(honoGuard(guard, mcpHandler(guard, createMcpHandler(desk))));
  return app;
}
