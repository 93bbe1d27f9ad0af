import type { RecordedClient } from './recorded-client.ts';
import { PUBLIC_CODE_CLIENT, USUAL } from './recorded-client.ts';

const redirectUris = ['http://127.0.0.1:{port}/callback'];
const shape = {
  ...USUAL,
  redirectUris,
  refreshRepeatsScope: true,
  probe: 'GET',
  protocolVersion: '2025-06-18',
  userAgent: 'codex-mcp-client/0.169.0',
} as const;

export const codex: RecordedClient = {
  name: 'Codex',
  requirements: 'CL-21, CL-22',
  recorded: '0.169.0',
  source: 'the program, against this server',
  driven: { how: 'by hand', on: '2026-11-21' },
  shapes: [
    {
      ...shape,
      wayIn: {
        kind: 'metadata document',
        clientId: 'https://chatgpt.com/oauth/codex/client.json',
        document: {
          client_name: 'Codex',
          redirect_uris: ['http://127.0.0.1/callback', 'http://localhost/callback'],
          ...PUBLIC_CODE_CLIENT,
        },
      },
    },
    {
      ...shape,
      wayIn: {
        kind: 'registration',
        metadata: {
          client_name: 'Codex',
          redirect_uris: redirectUris,
          scope: '{scope}',
          application_type: 'native',
          ...PUBLIC_CODE_CLIENT,
        },
      },
    },
  ],
};
