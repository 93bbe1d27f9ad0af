import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { bearer, callMcp, readToken, requestToken } from '../../src/attacker.ts';
import { type ClientApplication, secretsOf } from '../../src/clients/client-application.ts';
import { createSdkV2Client } from '../../src/clients/sdk-v2-client.ts';
import { createHttpPerson } from '../../src/http-person.ts';
import { openAs, type PreparedStack, startPreparedStack } from './support/journey.ts';
import { callTool } from './support/mcp-message.ts';
import { createProofKey } from './support/proof-key.ts';

// The issuer has a path, so that the URLs in proofs are more than an origin and a route.
describe('an application on SDK v2 that uses DPoP', () => {
  let stack: PreparedStack;
  const applications: ClientApplication[] = [];

  beforeAll(async () => {
    stack = await startPreparedStack({
      issuerPath: '/tenant',
      mcpServer: { PORTCULLIS_MCP_PROOF_OF_POSSESSION: 'dpop' },
    });
  });

  afterAll(async () => {
    await Promise.all(applications.map((application) => application.close()));
    await stack?.stop();
  });

  const start = async (options: { mode?: 'legacy' | 'auto'; dpop?: boolean }) => {
    const application = await createSdkV2Client({
      ...options,
      mcpUrl: stack.mcpUrl,
      clientName: `DPoP ${JSON.stringify(options)}`,
      openInBrowser: openAs(createHttpPerson()),
    });
    applications.push(application);
    return application;
  };

  it.each(['legacy', 'auto'] as const)(
    'SP-11: signs in, calls tools and refreshes, and nobody else can use its tokens (%s)',
    async (mode) => {
      const application = await start({ mode, dpop: true });
      await application.connect();
      expect(await application.listTools()).toContain('whoami');
      expect((await application.callTool('whoami')).structured).toMatchObject({ boundTo: ['dpop'] });

      application.spoilAccessToken();
      expect((await application.callTool('whoami')).structured).toMatchObject({ boundTo: ['dpop'] });
      const { tokens, clientInformation } = application.stored;
      expect(tokens).toHaveLength(2);
      expect(tokens).toEqual(Array(2).fill(expect.objectContaining({ token_type: 'DPoP' })));

      const { access_token: token = '', refresh_token } = tokens.at(-1) ?? {};
      expect(readToken(token).claims.cnf).toEqual({ jkt: expect.any(String) });
      const thief = await createProofKey();
      const stolen = [
        bearer(token),
        { authorization: `DPoP ${token}` },
        { authorization: `DPoP ${token}`, dpop: await thief.prove({ url: stack.mcpUrl, token }) },
      ];
      for (const headers of stolen) expect((await callMcp(stack.mcpUrl, { headers })).status).toBe(401);
      const refresh = { grant_type: 'refresh_token', refresh_token, client_id: clientInformation[0]?.client_id };
      const dpop = await thief.prove({ url: stack.server.token_endpoint });
      for (const headers of [{}, { dpop }])
        expect((await requestToken(stack.server, refresh, { headers })).json?.error).toBe('invalid_grant');
      // The attempts cost the owner nothing.
      application.spoilAccessToken();
      expect((await application.callTool('whoami')).isError).toBe(false);
      for (const secret of secretsOf(application.stored)) expect(stack.logs()).not.toContain(secret);
    },
  );

  it('without DPoP is refused by a resource that demands it', async () => {
    const application = await start({ dpop: false });
    await expect(application.connect()).rejects.toThrow();
    const [tokens] = application.stored.tokens;
    expect(tokens).toMatchObject({ token_type: 'Bearer' });
    const answer = await callTool(stack.mcpUrl, { token: tokens?.access_token ?? '', name: 'whoami' });
    expect(answer.status).toBe(401);
    expect(answer.headers['www-authenticate']).toMatch(/^DPoP .*algs="ES256 /);
  });
});
