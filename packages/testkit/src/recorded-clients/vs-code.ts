import type { RecordedClient } from './recorded-client.ts';
import { PUBLIC_CODE_CLIENT, USUAL } from './recorded-client.ts';

/** Port 33418 where it is free, else another; over vscode.dev where the editor runs in a browser or far away. */
const redirectUris = ['http://127.0.0.1:33418/', 'http://127.0.0.1:{port}/', 'https://vscode.dev/redirect'];

export const vsCode: RecordedClient = {
  name: 'VS Code',
  requirements: 'CL-22',
  recorded: '1.138',
  source: 'microsoft/vscode, src/vs/base/common/oauth.ts and the authentication of its extension host; #278512',
  shapes: [
    {
      ...USUAL,
      wayIn: {
        kind: 'metadata document',
        clientId: 'https://vscode.dev/oauth/client-metadata.json',
        document: {
          client_name: 'Visual Studio Code',
          client_uri: 'https://code.visualstudio.com',
          redirect_uris: ['http://127.0.0.1:33418/', 'https://vscode.dev/redirect'],
          ...PUBLIC_CODE_CLIENT,
        },
      },
      redirectUris,
    },
    {
      ...USUAL,
      wayIn: {
        kind: 'registration',
        metadata: {
          client_name: 'Visual Studio Code',
          client_uri: 'https://code.visualstudio.com',
          redirect_uris: [
            'https://insiders.vscode.dev/redirect',
            'https://vscode.dev/redirect',
            'http://127.0.0.1/',
            'http://127.0.0.1:33418/',
          ],
          scope: '{scope}',
          application_type: 'native',
          ...PUBLIC_CODE_CLIENT,
        },
      },
      redirectUris,
    },
  ],
};
