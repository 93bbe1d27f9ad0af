import { findFreePort } from '@portcullis/test-database';
import { z } from 'zod';
import { startServerProcess, untilReady } from './server-process.ts';
import type { Faults, RecordedRequest } from './third-party/memory.ts';

/** A third-party authorization server in a process of its own, with a small API behind it. */
export type ThirdPartyServer = {
  issuer: string;
  clientId: string;
  clientSecret: string;
  /** What stands in `upstreams` of the configuration file for it. */
  configuration: Record<string, unknown>;
  /** Makes it misbehave, in place of how it did before. */
  misbehave(faults: Faults): Promise<void>;
  /** Everything that it was sent so far. */
  requests(): Promise<RecordedRequest[]>;
  /** How many refreshes it answered. */
  refreshes(): Promise<number>;
  /** Calls its API with a token, and gives the status. */
  call(o: { method: 'GET' | 'POST'; token: string }): Promise<number>;
  stop(): Promise<void>;
};

const PROGRAM = new URL('../dist/third-party/main.js', import.meta.url);

const recorded = z.object({
  requests: z.array(
    z.object({ method: z.string(), url: z.string(), headers: z.record(z.string(), z.unknown()), body: z.string() }),
  ),
  refreshes: z.number(),
});

/** Starts one: with ID tokens and metadata, or as plain OAuth. */
export async function startThirdParty(mode: 'openid' | 'oauth' = 'openid'): Promise<ThirdPartyServer> {
  const port = await findFreePort();
  const issuer = `http://localhost:${port}`;
  const clientId = 'portcullis-there';
  const clientSecret = 'the secret of Portcullis at the third party';
  const server = startServerProcess(PROGRAM, {
    THIRD_PARTY_PORT: String(port),
    THIRD_PARTY_MODE: mode,
    THIRD_PARTY_CLIENT: clientId,
    THIRD_PARTY_SECRET: clientSecret,
  });
  await untilReady(server, port);
  const read = async () => recorded.parse(await (await fetch(`${issuer}/control/requests`)).json());
  return {
    issuer,
    clientId,
    clientSecret,
    configuration: {
      name: 'Third Party',
      clientId,
      issuer,
      scopes: { 'repo:read': 'Read your repositories there', 'repo:write': 'Change your repositories there' },
      ...(mode === 'openid'
        ? { discovery: 'openid' }
        : {
            authorizationEndpoint: `${issuer}/authorize`,
            tokenEndpoint: `${issuer}/token`,
            revocationEndpoint: `${issuer}/revoke`,
            namesItself: true,
            user: { endpoint: `${issuer}/user`, id: 'id', label: 'login' },
          }),
    },
    async misbehave(faults) {
      await fetch(`${issuer}/control/faults`, { method: 'POST', body: JSON.stringify(faults) });
    },
    requests: async () => (await read()).requests,
    refreshes: async () => (await read()).refreshes,
    call: async ({ method, token }) =>
      (await fetch(`${issuer}/user/repos`, { method, headers: { authorization: `Bearer ${token}` } })).status,
    async stop() {
      await server.kill();
    },
  };
}
