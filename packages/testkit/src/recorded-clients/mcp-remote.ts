import type { RecordedClient } from './recorded-client.ts';
import { PUBLIC_CODE_CLIENT, USUAL } from './recorded-client.ts';

/** The port follows from the server's URL, so that it stays the same. */
const redirectUris = ['http://localhost:12379/oauth/callback'];

export const mcpRemote: RecordedClient = {
  name: 'mcp-remote',
  requirements: 'CL-18',
  recorded: '0.15.1',
  source: 'the program, against this server',
  driven: { how: 'in the tests' },
  shapes: [
    {
      ...USUAL,
      wayIn: {
        kind: 'registration',
        metadata: {
          client_name: 'MCP CLI Proxy',
          client_uri: 'https://github.com/modelcontextprotocol/mcp-cli',
          redirect_uris: redirectUris,
          software_id: '2e6dc280-f3c3-4e01-99a7-8181dbd1d23d',
          software_version: '0.15.1',
          scope: '{scope}',
          application_type: 'native',
          ...PUBLIC_CODE_CLIENT,
        },
      },
      redirectUris,
      refreshRepeatsScope: true,
      probe: 'GET',
      userAgent: 'undici',
    },
  ],
};
