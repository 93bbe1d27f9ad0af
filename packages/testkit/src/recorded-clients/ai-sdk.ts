import type { RecordedClient } from './recorded-client.ts';
import { PUBLIC_CODE_CLIENT, USUAL } from './recorded-client.ts';

const redirectUris = ['http://127.0.0.1:38222/callback'];

export const aiSdk: RecordedClient = {
  name: 'AI SDK',
  requirements: 'CL-12',
  recorded: '2.0.99',
  source: '@ai-sdk/mcp, against this server; name and redirect URI are those of the app around it',
  driven: { how: 'in the tests' },
  shapes: [
    {
      ...USUAL,
      wayIn: {
        kind: 'registration',
        metadata: {
          client_name: 'App on the AI SDK',
          redirect_uris: redirectUris,
          scope: '{scope}',
          application_type: 'native',
          ...PUBLIC_CODE_CLIENT,
        },
      },
      redirectUris,
      protocolVersion: '2026-07-28',
      userAgent: 'ai-sdk/2.0.99 node.js/24',
    },
  ],
};
