import { createMcpHandler } from '@modelcontextprotocol/server';
import { createGuard } from '@portcullis/guard';
import { koaGuard } from '@portcullis/guard/koa';
import { mcpHandler } from '@portcullis/guard/mcp-sdk';
import Koa from 'koa';
import { declarations, desk } from './desk.ts';

export function koaApp(issuer: string, resource: string) {
  const app = new Koa();
  const guard = createGuard({ issuer, resource, declarations });
  app.use(koaGuard(guard, mcpHandler(guard, createMcpHandler(desk))));
  return app;
}
