import type { RecordedClient } from './recorded-client.ts';
import { PUBLIC_CODE_CLIENT, USUAL } from './recorded-client.ts';

const stable = 'https://chatgpt.com/connector_platform_oauth_redirect';
const ofTheConnector = 'https://chatgpt.com/connector/oauth/q1W2e3r4T5';
const shape = { ...USUAL, protocolVersion: '2025-06-18', userAgent: 'openai-mcp/1.0.0' };

export const chatGpt: RecordedClient = {
  name: 'ChatGPT',
  requirements: 'CL-22, AS-35',
  recorded: 'September 2026',
  source: 'developers.openai.com, openstatusHQ/openstatus#2657, operately/operately#5164, Engram#1633',
  shapes: [
    {
      ...shape,
      wayIn: {
        kind: 'metadata document',
        clientId: 'https://chatgpt.com/oauth/q1W2e3r4T5/client.json',
        document: {
          client_name: 'ChatGPT',
          client_uri: 'https://chatgpt.com',
          redirect_uris: [stable, ofTheConnector],
          ...PUBLIC_CODE_CLIENT,
          token_endpoint_auth_method: 'private_key_jwt',
          // It takes the first where the server offers it (RP Metadata Choices).
          token_endpoint_auth_methods_supported: ['none', 'private_key_jwt'],
          token_endpoint_auth_signing_alg: 'RS256',
          jwks_uri: 'https://chatgpt.com/oauth/jwks.json',
        },
      },
      // The stable one where the server sends `iss`, as this one does.
      redirectUris: [stable, ofTheConnector],
      authentication: 'private_key_jwt',
    },
    {
      ...shape,
      wayIn: {
        kind: 'registration',
        metadata: { client_name: 'ChatGPT', redirect_uris: [ofTheConnector], ...PUBLIC_CODE_CLIENT },
      },
      redirectUris: [ofTheConnector],
    },
  ],
};
