import type { RecordedClient } from './recorded-client.ts';
import { PUBLIC_CODE_CLIENT, USUAL } from './recorded-client.ts';

const scheme = 'cursor://anysphere.cursor-mcp/oauth/callback';
const all = [scheme, 'https://www.cursor.com/agents/mcp/oauth/callback', 'http://localhost:8787/callback'];

export const cursor: RecordedClient = {
  name: 'Cursor',
  requirements: 'CL-22, AS-37',
  recorded: 'September 2026',
  source: 'soflyy/agent-connector-for-wp#111, erp-mafia/accounted#2225, better-auth/better-auth#10946',
  shapes: [
    {
      ...USUAL,
      wayIn: {
        kind: 'registration',
        metadata: { client_name: 'Cursor', redirect_uris: all, ...PUBLIC_CODE_CLIENT },
      },
      redirectUris: all,
    },
    {
      ...USUAL,
      // Older builds: the scheme alone, and calling itself a web app.
      wayIn: {
        kind: 'registration',
        metadata: { client_name: 'Cursor', redirect_uris: [scheme], application_type: 'web', ...PUBLIC_CODE_CLIENT },
      },
      redirectUris: [scheme],
      protocolVersion: '2025-06-18',
    },
  ],
};
