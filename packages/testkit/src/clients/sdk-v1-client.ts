import type { OAuthDiscoveryState } from '@modelcontextprotocol/sdk/client/auth.js';
import type { Client } from '@modelcontextprotocol/sdk/client/index.js';
import type { OAuthClientInformationMixed, OAuthTokens } from '@modelcontextprotocol/sdk/shared/auth.js';
import { listenForCallback } from './callback-listener.ts';
import type { ClientApplication, ClientOptions } from './client-application.ts';
import { toolAnswer } from './client-application.ts';
import { createSignInMemory, registrationMetadata } from './sign-in-memory.ts';
import type { Attempt, Connection } from './signing-in.ts';
import { createClientApplication } from './signing-in.ts';

/** An application on `@modelcontextprotocol/sdk` 1.x. */
export async function createSdkV1Client(options: ClientOptions): Promise<ClientApplication> {
  const {
    mcpUrl,
    openInBrowser,
    clientName = 'Test client on SDK v1',
    metadata,
    callbackHost,
    clientMetadataUrl,
  } = options;
  const { Client, StreamableHTTPClientTransport, UnauthorizedError } = await loadSdk();
  const callback = await listenForCallback(callbackHost);
  const memory = createSignInMemory<OAuthClientInformationMixed, OAuthTokens, OAuthDiscoveryState>(
    callback.redirectUri,
  );
  const clientMetadata = registrationMetadata(callback.redirectUri, clientName, metadata);
  const authProvider = {
    ...memory.provider,
    clientMetadata,
    ...(clientMetadataUrl !== undefined && { clientMetadataUrl }),
  };

  const attempt = async (): Promise<Attempt> => {
    const transport = new StreamableHTTPClientTransport(new URL(mcpUrl), { authProvider });
    const client = new Client({ name: clientName, version: '1.0.0' });
    try {
      await client.connect(transport);
      return { ok: true, connection: connectionOf(client) };
    } catch (cause) {
      const authorizationUrl = memory.takeAuthorizationUrl();
      if (!(cause instanceof UnauthorizedError) || !authorizationUrl) throw cause;
      const finish = (params: URLSearchParams) => transport.finishAuth(params.get('code') ?? '');
      return { ok: false, authorizationUrl, finish };
    }
  };

  return createClientApplication({ name: 'SDK v1', callback, memory, openInBrowser, attempt });
}

/** Loaded with the first client, because most of those who import this package make none. */
async function loadSdk() {
  return {
    ...(await import('@modelcontextprotocol/sdk/client/auth.js')),
    ...(await import('@modelcontextprotocol/sdk/client/index.js')),
    ...(await import('@modelcontextprotocol/sdk/client/streamableHttp.js')),
  };
}

function connectionOf(client: Client): Connection {
  return {
    listTools: async () => (await client.listTools()).tools.map((tool) => tool.name),
    callTool: async (name, args) => toolAnswer(await client.callTool({ name, arguments: args })),
    close: () => client.close(),
  };
}
