import type { RecordedClient } from './recorded-client.ts';
import { PUBLIC_CODE_CLIENT, USUAL } from './recorded-client.ts';

const redirectUris = ['http://127.0.0.1:{port}/'];

export const copilotCli: RecordedClient = {
  name: 'Copilot CLI',
  requirements: 'AS-40',
  recorded: '1.0.87',
  source: 'github/copilot-cli#4793, #4901 and #4926 with its document; #1951 for the registration',
  shapes: [
    {
      ...USUAL,
      wayIn: {
        kind: 'metadata document',
        clientId: 'https://github.com/copilot/cli/client-metadata.json',
        // One port in the document, another one in the request.
        document: {
          client_name: 'GitHub Copilot CLI',
          application_type: 'native',
          redirect_uris: ['http://127.0.0.1:33418/'],
          token_endpoint_auth_method: 'none',
        },
      },
      redirectUris,
    },
    {
      ...USUAL,
      wayIn: {
        kind: 'registration',
        metadata: { client_name: 'GitHub Copilot CLI', redirect_uris: redirectUris, ...PUBLIC_CODE_CLIENT },
      },
      redirectUris,
    },
  ],
};
