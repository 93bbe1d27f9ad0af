import { createMcpHandler } from '@modelcontextprotocol/server';
import { createGuard } from '@portcullis/guard';
import { expressGuard } from '@portcullis/guard/express';
import { mcpHandler } from '@portcullis/guard/mcp-sdk';
import express from 'express';
import { declarations, desk } from './desk.ts';

export function expressApp(issuer: string, resource: string) {
  const app = express();
  const guard = createGuard({ issuer, resource, declarations });
  app.use(expressGuard(guard, mcpHandler(guard, createMcpHandler(desk))));
  return app;
}
