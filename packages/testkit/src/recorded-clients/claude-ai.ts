import type { RecordedClient } from './recorded-client.ts';
import { PUBLIC_CODE_CLIENT, USUAL } from './recorded-client.ts';

const redirectUris = ['https://claude.ai/api/mcp/auth_callback'];
const shape = {
  ...USUAL,
  redirectUris,
  extraScopes: ['offline_access'],
  protocolVersion: '2025-11-25',
  userAgent: 'python-httpx/0.28.1',
};

export const claudeAi: RecordedClient = {
  name: 'Claude.ai',
  requirements: 'CL-20, CL-21',
  recorded: 'September 2026',
  source: 'anthropics/claude-ai-mcp#500, #650 and #1043, support.claude.com',
  shapes: [
    {
      ...shape,
      wayIn: {
        kind: 'metadata document',
        clientId: 'https://claude.ai/oauth/mcp-oauth-client-metadata',
        document: {
          client_name: 'Claude',
          client_uri: 'https://claude.ai',
          redirect_uris: redirectUris,
          ...PUBLIC_CODE_CLIENT,
          // A grant type that is not offered here.
          grant_types: ['authorization_code', 'refresh_token', 'urn:ietf:params:oauth:grant-type:jwt-bearer'],
        },
      },
    },
    {
      ...shape,
      wayIn: {
        kind: 'registration',
        metadata: {
          client_name: 'Claude',
          redirect_uris: redirectUris,
          ...PUBLIC_CODE_CLIENT,
          token_endpoint_auth_method: 'client_secret_post',
        },
      },
      authentication: 'client_secret_post',
    },
    // Nobody wrote this one down: it is taken to send its secret as with the one that it registers.
    { ...shape, wayIn: { kind: 'given id', redirectUris }, authentication: 'client_secret_post' },
  ],
};
