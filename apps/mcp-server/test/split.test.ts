import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { startDesk, type TestDesk } from './support/desk.ts';
import { ask, call, ERAS } from './support/messages.ts';

let desk: TestDesk;

beforeAll(async () => {
  desk = await startDesk({ withAnalyticsRole: true, config: { split: true } });
});

afterAll(() => desk.close());

const READ_TOOLS = ['whoami', 'search_tickets', 'read_ticket', 'get_customer', 'query_analytics'];
const ACT_TOOLS = ['whoami', 'reply_to_ticket', 'export_customers'];
const part = (name: 'read' | 'act') => ({ url: `${desk.url}/${name}` });
const EVERYTHING = { scope: 'desk:read desk:write desk:admin', roles: ['lead'] };
const tokenFor = (name: 'read' | 'act') => desk.issuer.token(part(name).url, EVERYTHING);

describe.each(ERAS)('SP-29 split in two, in the era of %s', (era) => {
  test.each([
    ['read', READ_TOOLS],
    ['act', ACT_TOOLS],
  ] as const)('%s has its own tools and no other, whatever the token allows', async (name, tools) => {
    const token = await tokenFor(name);
    const { message } = await ask(part(name), { token, era, method: 'tools/list' });
    expect(message.result?.tools?.map((tool) => tool.name)).toEqual(tools);
    for (const foreign of [...READ_TOOLS, ...ACT_TOOLS].filter((tool) => !tools.includes(tool))) {
      const answer = await call(part(name), { token, era, name: foreign, args: { ticketId: 'T-1001', body: 'x' } });
      expect(answer.message.error).toMatchObject({ code: -32602, message: `Unknown tool: ${foreign}` });
    }
  });

  test.each([
    ['read', 'act'],
    ['act', 'read'],
  ] as const)('a token to %s is refused where one is to %s', async (own, other) => {
    const token = await tokenFor(own);
    expect((await call(part(own), { token, era, name: 'whoami' })).status).toBe(200);
    const answer = await call(part(other), { token, era, name: 'whoami' });
    expect(answer.status).toBe(401);
    expect(answer.headers.get('www-authenticate')).toContain('error="invalid_token"');
    expect(answer.headers.get('www-authenticate')).toContain(`/.well-known/oauth-protected-resource/mcp/${other}"`);
  });

  test('a token for the whole is good for neither, and nothing is served where the whole was', async () => {
    const token = await desk.token(EVERYTHING.scope, EVERYTHING);
    for (const name of ['read', 'act'] as const)
      expect((await call(part(name), { token, era, name: 'whoami' })).status).toBe(401);
    expect((await call(desk, { token, era, name: 'whoami' })).status).toBe(404);
  });
});

test('each has metadata of its own', async () => {
  const origin = new URL(desk.url).origin;
  for (const name of ['read', 'act'] as const) {
    const metadata = await (await fetch(`${origin}/.well-known/oauth-protected-resource/mcp/${name}`)).json();
    expect(metadata).toMatchObject({ resource: part(name).url, authorization_servers: [desk.issuer.url] });
  }
});

test('no tool that reads is marked as one that changes something, and none to act is left out', async () => {
  const { message } = await ask(part('read'), {
    token: await tokenFor('read'),
    era: '2025-11-25',
    method: 'tools/list',
  });
  for (const tool of message.result?.tools ?? []) expect(tool).toMatchObject({ annotations: { readOnlyHint: true } });
});
