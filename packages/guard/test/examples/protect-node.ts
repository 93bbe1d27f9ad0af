import { createServer } from 'node:http';
import { createMcpHandler } from '@modelcontextprotocol/server';
import { createGuard } from '@portcullis/guard';
import { mcpHandler } from '@portcullis/guard/mcp-sdk';
import { nodeHandler } from '@portcullis/guard/node';
import { declarations, desk } from './desk.ts';

export function nodeServer(issuer: string, resource: string) {
  const guard = createGuard({ issuer, resource, declarations });
  return createServer(nodeHandler(guard, mcpHandler(guard, createMcpHandler(desk))));
}
