import type {
  Client,
  OAuthDiscoveryState,
  StoredOAuthClientInformation,
  StoredOAuthTokens,
} from '@modelcontextprotocol/client';
import { listenForCallback } from './callback-listener.ts';
import type { ClientApplication, ClientOptions } from './client-application.ts';
import { toolAnswer } from './client-application.ts';
import { createSignInMemory, registrationMetadata } from './sign-in-memory.ts';
import type { Attempt, Connection } from './signing-in.ts';
import { createClientApplication } from './signing-in.ts';

/** `legacy` is what the SDK does by default; `auto` asks for the 2026-07-28 protocol first. */
export type SdkV2Options = ClientOptions & {
  mode?: 'legacy' | 'auto';
  /** Whether it asks for tokens that are bound to a key of its own (RFC 9449). */
  dpop?: boolean;
};

/** An application on `@modelcontextprotocol/client` 2.x. */
export async function createSdkV2Client(options: SdkV2Options): Promise<ClientApplication> {
  const {
    mcpUrl,
    openInBrowser,
    mode = 'legacy',
    clientName = `Test client on SDK v2 (${mode})`,
    metadata,
    callbackHost,
    clientMetadataUrl,
    dpop = false,
  } = options;
  // Loaded with the first client, because most of those who import this package make none.
  const sdk = await import('@modelcontextprotocol/client');
  const callback = await listenForCallback(callbackHost);
  const memory = createSignInMemory<StoredOAuthClientInformation, StoredOAuthTokens, OAuthDiscoveryState>(
    callback.redirectUri,
  );
  const session = dpop ? await sdk.DpopSession.create() : undefined;
  const clientMetadata = registrationMetadata(callback.redirectUri, clientName, metadata);
  const authProvider = {
    ...memory.provider,
    clientMetadata,
    ...(clientMetadataUrl !== undefined && { clientMetadataUrl }),
    ...(session && { dpop: () => session }),
  };
  const clientOptions = mode === 'auto' ? { versionNegotiation: { mode } } : {};

  const attempt = async (): Promise<Attempt> => {
    const transport = new sdk.StreamableHTTPClientTransport(new URL(mcpUrl), { authProvider });
    const client = new sdk.Client({ name: clientName, version: '1.0.0' }, clientOptions);
    try {
      await client.connect(transport);
      return { ok: true, connection: connectionOf(client) };
    } catch (cause) {
      const authorizationUrl = memory.takeAuthorizationUrl();
      if (!(cause instanceof sdk.UnauthorizedError) || !authorizationUrl) throw cause;
      return { ok: false, authorizationUrl, finish: (params) => transport.finishAuth(params) };
    }
  };

  return createClientApplication({ name: `SDK v2 (${mode})`, callback, memory, openInBrowser, attempt });
}

function connectionOf(client: Client): Connection {
  return {
    listTools: async () => (await client.listTools()).tools.map((tool) => tool.name),
    callTool: async (name, args) => toolAnswer(await client.callTool({ name, arguments: args })),
    close: () => client.close(),
  };
}
