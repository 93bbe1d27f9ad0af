import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Client as ClientV2, StreamableHTTPClientTransport as TransportV2 } from '@modelcontextprotocol/client';
import { Client as ClientV1 } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport as TransportV1 } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { startDesk, type TestDesk } from './support/desk.ts';

let desk: TestDesk;
let token: string;

beforeAll(async () => {
  desk = await startDesk({ withAnalyticsRole: true });
  token = await desk.token('desk:read');
});

afterAll(() => desk.close());

type AnyClient = {
  listTools(): Promise<{ tools: { name: string }[] }>;
  callTool(call: { name: string; arguments: Record<string, unknown> }): Promise<unknown>;
  close(): Promise<void>;
};

const info = { name: 'test', version: '1.0.0' };
const requestInit = () => ({ requestInit: { headers: { authorization: `Bearer ${token}` } } });

async function v1(): Promise<AnyClient> {
  const client = new ClientV1(info);
  await client.connect(new TransportV1(new URL(desk.url), requestInit()) as Parameters<typeof client.connect>[0]);
  return client;
}

async function v2(options: ConstructorParameters<typeof ClientV2>[1]): Promise<AnyClient> {
  const client = new ClientV2(info, options);
  await client.connect(new TransportV2(new URL(desk.url), requestInit()));
  return client;
}

describe.each<[string, () => Promise<AnyClient>]>([
  ['SDK v1', v1],
  ['SDK v2 as it comes', () => v2({})],
  ['SDK v2 that negotiates', () => v2({ versionNegotiation: { mode: 'auto' } })],
])('%s', (_title, connect) => {
  test('lists, calls, and checks every answer against the output schema', async () => {
    const client = await connect();
    try {
      const { tools } = await client.listTools();
      expect(tools.map(({ name }) => name)).toEqual([
        'whoami',
        'search_tickets',
        'read_ticket',
        'get_customer',
        'reply_to_ticket',
        'query_analytics',
      ]);
      expect(await client.callTool({ name: 'whoami', arguments: {} })).toMatchObject({
        structuredContent: { subject: 'user-1' },
      });
      const page = await client.callTool({ name: 'search_tickets', arguments: { limit: 2 } });
      expect(page).toMatchObject({ structuredContent: { nextCursor: expect.any(String) } });
      const ticket = await client.callTool({ name: 'read_ticket', arguments: { ticketId: 'T-1001' } });
      expect(ticket).toMatchObject({ structuredContent: { ticketId: 'T-1001' } });
    } finally {
      await client.close();
    }
  });

  test('meets the step-up challenge as an error of HTTP', async () => {
    const client = await connect();
    try {
      const reply = { name: 'reply_to_ticket', arguments: { ticketId: 'T-1001', body: 'Hello' } };
      await expect(client.callTool(reply)).rejects.toThrow();
    } finally {
      await client.close();
    }
  });
});
