import type { RecordedClient } from './recorded-client.ts';
import { PUBLIC_CODE_CLIENT, USUAL } from './recorded-client.ts';

const redirectUris = ['http://127.0.0.1:38123/callback'];

export const mcporter: RecordedClient = {
  name: 'mcporter',
  requirements: 'CL-19',
  recorded: '0.12.3',
  source: 'the program, against this server',
  driven: { how: 'in the tests' },
  shapes: [
    {
      ...USUAL,
      wayIn: {
        kind: 'registration',
        metadata: {
          client_name: 'mcporter (desk)',
          redirect_uris: redirectUris,
          scope: '{scope}',
          ...PUBLIC_CODE_CLIENT,
        },
      },
      redirectUris,
      userAgent: 'node',
    },
  ],
};
