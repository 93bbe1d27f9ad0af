import type { RecordedClient } from './recorded-client.ts';
import { PUBLIC_CODE_CLIENT, USUAL } from './recorded-client.ts';

const redirectUris = ['http://localhost:{port}/callback'];
const userAgent = 'claude-code/2.1.329 (cli)';

export const claudeCode: RecordedClient = {
  name: 'Claude Code',
  requirements: 'CL-20, CL-21',
  recorded: '2.1.329',
  source: 'the program, against this server; the document as anthropics/claude-code#37747 and #64705 quote it',
  driven: { how: 'by hand', on: '2026-11-21' },
  shapes: [
    {
      ...USUAL,
      wayIn: {
        kind: 'metadata document',
        clientId: 'https://claude.ai/oauth/claude-code-client-metadata',
        // Without ports and without `application_type` (CL-20).
        document: {
          client_name: 'Claude Code',
          client_uri: 'https://claude.ai',
          redirect_uris: ['http://localhost/callback', 'http://127.0.0.1/callback'],
          ...PUBLIC_CODE_CLIENT,
        },
      },
      redirectUris,
      protocolVersion: '2026-07-28',
      userAgent,
    },
    {
      ...USUAL,
      wayIn: {
        kind: 'registration',
        metadata: {
          client_name: 'Claude Code (support-desk)',
          redirect_uris: redirectUris,
          scope: '{scope}',
          application_type: 'native',
          ...PUBLIC_CODE_CLIENT,
        },
      },
      redirectUris,
      extraScopes: ['offline_access'],
      prompt: 'consent',
      userAgent,
    },
    {
      ...USUAL,
      // Before 2.1.81 it registered without a type (CL-20).
      wayIn: {
        kind: 'registration',
        metadata: { client_name: 'Claude Code', redirect_uris: redirectUris, ...PUBLIC_CODE_CLIENT },
      },
      redirectUris,
      protocolVersion: '2025-06-18',
    },
  ],
};
