import { randomUUID } from 'node:crypto';
import type { McpServer } from '@modelcontextprotocol/server';
import { isInitializeRequest, WebStandardStreamableHTTPServerTransport } from '@modelcontextprotocol/server';
import { createEventLog } from './event-log.ts';

/** Serves the revisions up to 2025-11-25 with sessions. */
export type LegacySessions = { fetch(request: Request): Promise<Response>; close(): Promise<void> };

/**
 * Sessions for older clients: the scenarios of 2025-11-25 need the server's own requests (sampling, elicitation),
 * subscriptions and resumed streams, which no stateless exchange can carry.
 */
export function createLegacySessions(createMcp: () => McpServer): LegacySessions {
  const sessions = new Map<string, WebStandardStreamableHTTPServerTransport>();

  const open = async () => {
    const transport: WebStandardStreamableHTTPServerTransport = new WebStandardStreamableHTTPServerTransport({
      sessionIdGenerator: () => randomUUID(),
      eventStore: createEventLog(),
      retryInterval: 500,
      onsessioninitialized: (id) => void sessions.set(id, transport),
      onsessionclosed: (id) => void sessions.delete(id),
    });
    await createMcp().connect(transport);
    return transport;
  };

  return {
    async fetch(request) {
      const id = request.headers.get('mcp-session-id');
      if (id !== null) return (await sessions.get(id)?.handleRequest(request)) ?? refuse(404, 'Session not found');
      if (request.method !== 'POST') return refuse(400, 'Mcp-Session-Id is missing');
      const parsedBody: unknown = await request.clone().json();
      if (!isInitializeRequest(parsedBody)) return refuse(400, 'Mcp-Session-Id is missing');
      return (await open()).handleRequest(request, { parsedBody });
    },
    async close() {
      await Promise.all([...sessions.values()].map((transport) => transport.close()));
      sessions.clear();
    },
  };
}

function refuse(status: number, message: string): Response {
  return Response.json({ jsonrpc: '2.0', error: { code: -32000, message }, id: null }, { status });
}
