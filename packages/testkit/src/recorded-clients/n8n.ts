import type { RecordedClient } from './recorded-client.ts';
import { PUBLIC_CODE_CLIENT, USUAL } from './recorded-client.ts';

const redirectUris = ['https://n8n.example/rest/oauth2-credential/callback'];
const shape = {
  ...USUAL,
  wayIn: {
    kind: 'registration',
    metadata: {
      client_name: 'n8n',
      client_uri: 'https://n8n.io/',
      redirect_uris: redirectUris,
      scope: '{scope}',
      ...PUBLIC_CODE_CLIENT,
    },
  },
  redirectUris,
  scope: 'all that are listed',
  userAgent: 'axios',
} as const;

export const n8n: RecordedClient = {
  name: 'n8n',
  requirements: 'CL-23',
  recorded: 'September 2026',
  source: 'n8n-io/n8n, packages/cli/src/oauth/oauth.service.ts',
  // Older builds do not know the parameter `resource`.
  shapes: [shape, { ...shape, resourceIn: [] }],
};
