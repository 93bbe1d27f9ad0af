import { randomBytes } from 'node:crypto';
import type { McpServer } from '@modelcontextprotocol/server';
import {
  createMcpHandler,
  createRequestStateCodec,
  InMemoryServerEventBus,
  isLegacyRequest,
} from '@modelcontextprotocol/server';
import { createFixtureMcp } from './fixture-mcp.ts';
import type { RoundState } from './input-required-tools.ts';
import { createLegacySessions } from './legacy-sessions.ts';
import type { ListChanges } from './list-changes.ts';

/** The fixture as a web-standard handler, with nothing in front of it. */
export type FixtureEndpoint = { fetch(request: Request): Promise<Response>; close(): Promise<void> };

/** The endpoint with every tool, resource and prompt that the suite asks for. */
export function createFixtureEndpoint(): FixtureEndpoint {
  const states = createRequestStateCodec<RoundState>({ key: randomBytes(32) });
  const bus = new InMemoryServerEventBus();
  const changes: ListChanges = {
    extraTool: false,
    extraPrompt: false,
    toolsChanged: () => bus.publish({ kind: 'tools_list_changed' }),
    promptsChanged: () => bus.publish({ kind: 'prompts_list_changed' }),
  };
  return createEndpoint(() => createFixtureMcp({ changes, states }), bus);
}

/** Serves both protocol eras of any MCP server on one URL: 2026-07-28 without state, older revisions with sessions. */
export function createEndpoint(createMcp: () => McpServer, bus = new InMemoryServerEventBus()): FixtureEndpoint {
  const modern = createMcpHandler(createMcp, { legacy: 'reject', bus });
  const streaming = createMcpHandler(createMcp, { legacy: 'reject', bus, responseMode: 'sse' });
  const legacy = createLegacySessions(createMcp);

  return {
    async fetch(request) {
      if (await isLegacyRequest(request)) return legacy.fetch(request);
      return prefersStream(request) ? streaming.fetch(request) : modern.fetch(request);
    },
    async close() {
      await Promise.all([legacy.close(), modern.close(), streaming.close()]);
    },
  };
}

/** A client that names the stream first gets one, so that the scenario about several streams has streams to look at. */
function prefersStream(request: Request): boolean {
  return request.headers.get('accept')?.startsWith('text/event-stream') ?? false;
}
