import type {
  MCPClient,
  OAuthAuthorizationServerInformation,
  OAuthClientInformation,
  OAuthClientProvider,
  OAuthTokens,
} from '@ai-sdk/mcp';
import { auth, createMCPClient, UnauthorizedError } from '@ai-sdk/mcp';
import { listenForCallback } from '../../../../src/clients/callback-listener.ts';
import { createSignInMemory, registrationMetadata } from '../../../../src/clients/sign-in-memory.ts';
import type { DrivenClient, DrivenOptions } from './driven-client.ts';
import { readWhoami } from './driven-client.ts';

/** An application on @ai-sdk/mcp, which lives in this process. */
export function driveAiSdk({ mcpUrl, openInBrowser }: DrivenOptions): DrivenClient {
  let provider: OAuthClientProvider | undefined;
  let client: MCPClient | undefined;

  const start = async () => {
    const callback = await listenForCallback('127.0.0.1');
    try {
      const memory = createSignInMemory<OAuthClientInformation, OAuthTokens, never>(callback.redirectUri);
      let state: string | undefined;
      let authorizationServer: OAuthAuthorizationServerInformation | undefined;
      provider ??= {
        ...memory.provider,
        clientMetadata: registrationMetadata(callback.redirectUri, 'App on the AI SDK'),
        saveState(saved) {
          state = saved;
        },
        storedState: () => state,
        saveAuthorizationServerInformation(saved) {
          authorizationServer = saved;
        },
        authorizationServerInformation: () => authorizationServer,
        isClientInformationDynamicallyRegistered: () => true,
      };
      return await connect(provider, {
        async signIn(authProvider) {
          const url = memory.takeAuthorizationUrl();
          if (!url) throw new Error('no authorization URL');
          const [params] = await Promise.all([callback.next(), openInBrowser(url)]);
          await auth(authProvider, {
            serverUrl: mcpUrl,
            authorizationCode: params.get('code') ?? '',
            callbackState: params.get('state') ?? '',
            callbackIssuer: params.get('iss') ?? '',
          });
        },
      });
    } finally {
      await callback.close();
    }
  };

  const connect = async (
    authProvider: OAuthClientProvider,
    { signIn }: { signIn(authProvider: OAuthClientProvider): Promise<void> },
  ): Promise<MCPClient> => {
    const open = () => createMCPClient({ transport: { type: 'http', url: mcpUrl, authProvider } });
    return open().catch(async (cause: unknown) => {
      if (!(cause instanceof UnauthorizedError)) throw cause;
      await signIn(authProvider);
      return open();
    });
  };

  return {
    async whoami() {
      client ??= await start();
      return readWhoami((await client.callTool({ name: 'whoami', arguments: {} })).structuredContent);
    },
    async end() {
      await client?.close();
      client = undefined;
    },
  };
}
