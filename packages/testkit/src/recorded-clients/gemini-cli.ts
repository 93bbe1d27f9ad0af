import type { RecordedClient } from './recorded-client.ts';
import { PUBLIC_CODE_CLIENT, USUAL } from './recorded-client.ts';

const redirectUris = ['http://localhost:{port}/oauth/callback'];

export const geminiCli: RecordedClient = {
  name: 'Gemini CLI',
  requirements: 'CL-23, AS-40',
  recorded: '0.61.0',
  source: 'the program, against another authorization server',
  shapes: [
    {
      ...USUAL,
      wayIn: {
        kind: 'registration',
        metadata: {
          client_name: 'Gemini CLI MCP Client',
          redirect_uris: redirectUris,
          scope: '{scope}',
          ...PUBLIC_CODE_CLIENT,
        },
      },
      redirectUris,
      scope: 'all that are listed',
      probe: 'HEAD',
    },
  ],
};
