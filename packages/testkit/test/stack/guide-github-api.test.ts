import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { HttpPerson, ThirdPartyServer } from '../../src/index.ts';
import { callMcp, createHttpPerson, startThirdParty } from '../../src/index.ts';
import { registerClient, type Target, targetOf } from './support/authorization.ts';
import { type ServersWithDesk, startServersWithDesk } from './support/desk-beside.ts';
import { callTool, listTools } from './support/mcp-message.ts';
import { OWNER_ENV } from './support/owner.ts';
import { connectThrough, exchange, MCP_CLIENT } from './support/upstream.ts';

/** What the guide tells a new user to write, with the third party in GitHub's place. */
async function guideConfiguration(third: ThirdPartyServer, mcpUrl: string): Promise<Record<string, unknown>> {
  const guide = await readFile(new URL('../../../../docs/github-api.md', import.meta.url), 'utf8');
  const [, block = ''] = /```json\n(.*?)```/s.exec(guide) ?? [];
  const text = block.replaceAll('http://localhost:4001/mcp', mcpUrl).replaceAll('"repo"', '"repo:read"');
  return { ...JSON.parse(text), upstreams: { github: third.configuration } };
}

describe('the guide for the GitHub API', () => {
  let third: ThirdPartyServer;
  let servers: ServersWithDesk;
  let target: Target;

  beforeAll(async () => {
    third = await startThirdParty('oauth');
    const secret = { PORTCULLIS_MCP_CLIENT_SECRET: MCP_CLIENT.secret };
    const texts = await guideConfiguration(third, 'MCP_URL');
    servers = await startServersWithDesk({
      configuration: (mcpUrl) => JSON.parse(JSON.stringify(texts).replaceAll('MCP_URL', mcpUrl)),
      env: { ...OWNER_ENV, PORTCULLIS_UPSTREAM_GITHUB_SECRET: third.clientSecret },
      shared: { ...secret, PORTCULLIS_MCP_UPSTREAM: 'github', PORTCULLIS_MCP_UPSTREAM_API: third.issuer },
    });
    target = await targetOf(servers.server);
  });

  afterAll(async () => {
    await servers?.close();
    await third?.stop();
  });

  const connected = async (person: HttpPerson, scope: string) => {
    const client = await registerClient(target, { client_name: 'New here' });
    return connectThrough({ target, third }, client, { person, scope });
  };

  it('a new user connects, and the tool lists what is theirs at the third party', async () => {
    const { access } = await connected(createHttpPerson(), 'desk:read repos:read');
    expect(await listTools(target.mcpUrl, access)).toContain('list_my_repositories');
    const { result } = await callTool(target.mcpUrl, { token: access, name: 'list_my_repositories' });
    expect(JSON.stringify(result)).toMatch(/alice\/notes.*alice\/diary/);
    expect(JSON.stringify(result)).not.toContain('third-party-access-');
    const there = JSON.stringify(await third.requests());
    expect(there).not.toContain(access);
    expect(there).toContain('/user/repos?per_page=30');
  });

  it('a client without the scope is asked for it, and a token of the third party opens no door', async () => {
    const { access } = await connected(createHttpPerson(), 'desk:read');
    const challenged = await callTool(target.mcpUrl, { token: access, name: 'list_my_repositories' });
    expect(challenged.status).toBe(403);
    expect(challenged.headers['www-authenticate']).toContain('repos:read');
    const wide = await connected(createHttpPerson(), 'desk:read repos:read');
    const upstream = String((await exchange({ target }, wide.access, { audience: 'github' })).json?.access_token);
    expect(upstream).toMatch(/^third-party-access-/);
    const answer = await callMcp(target.mcpUrl, { headers: { authorization: `Bearer ${upstream}` } });
    expect(answer.status).toBe(401);
  });

  it('while the third party is away, the tool says so', async () => {
    const { access } = await connected(createHttpPerson(), 'desk:read repos:read');
    await third.stop();
    const { result } = await callTool(target.mcpUrl, { token: access, name: 'list_my_repositories' });
    expect(JSON.stringify(result)).toContain('does not answer as it should (unreachable)');
  });
});
