import type { RecordedClient, RecordedShape } from './recorded-client.ts';
import { PUBLIC_CODE_CLIENT, USUAL } from './recorded-client.ts';

/** The command line and the page in the browser differ in where they are called back at. */
function calledBackAt(redirectUri: string): RecordedShape {
  return {
    ...USUAL,
    wayIn: {
      kind: 'registration',
      metadata: {
        client_name: 'MCP Inspector',
        client_uri: 'https://github.com/modelcontextprotocol/inspector',
        redirect_uris: [redirectUri],
        scope: '{scope}',
        application_type: 'native',
        ...PUBLIC_CODE_CLIENT,
      },
    },
    redirectUris: [redirectUri],
    userAgent: 'node',
  };
}

export const mcpInspector: RecordedClient = {
  name: 'MCP Inspector',
  requirements: 'CL-18',
  recorded: '2.12.0',
  source: 'the command line, against this server; the page from reports',
  driven: { how: 'by hand', on: '2026-11-21' },
  shapes: [calledBackAt('http://127.0.0.1:6276/oauth/callback'), calledBackAt('http://localhost:6274/oauth/callback')],
};
