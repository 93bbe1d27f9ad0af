import type { RecordedClient } from './recorded-client.ts';
import { PUBLIC_CODE_CLIENT, USUAL } from './recorded-client.ts';

const redirectUris = ['http://127.0.0.1:19876/mcp/oauth/callback'];
const shape = { ...USUAL, redirectUris, userAgent: 'opencode/1.18.33' };

export const openCode: RecordedClient = {
  name: 'opencode',
  requirements: 'CL-21, CL-22',
  recorded: '1.18.33',
  source: 'the program, against this server; the document from anomalyco/opencode#47737 and #50510',
  driven: { how: 'by hand', on: '2026-11-21' },
  shapes: [
    {
      ...shape,
      wayIn: {
        kind: 'registration',
        metadata: {
          client_name: 'OpenCode',
          client_uri: 'https://opencode.ai',
          redirect_uris: redirectUris,
          scope: '{scope}',
          ...PUBLIC_CODE_CLIENT,
        },
      },
    },
    {
      ...shape,
      wayIn: {
        kind: 'metadata document',
        clientId: 'https://opencode.ai/oauth/opencode/client.json',
        document: {
          client_name: 'opencode',
          client_uri: 'https://opencode.ai',
          logo_uri: 'https://opencode.ai/web-app-manifest-512x512.png',
          application_type: 'native',
          // Not the path that it is called back at.
          redirect_uris: ['http://127.0.0.1/callback', 'http://localhost/callback'],
          ...PUBLIC_CODE_CLIENT,
          token_endpoint_auth_methods_supported: ['none'],
        },
      },
      extraScopes: ['offline_access'],
      prompt: 'consent',
      outcome: 'refused',
    },
  ],
};
