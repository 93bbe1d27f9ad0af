import type { McpServer } from '@modelcontextprotocol/server';
import { ResourceNotFoundError, ResourceTemplate } from '@modelcontextprotocol/server';
import { onePixelPngBase64 } from './fixture-media.ts';

const watchedUri = 'test://watched-resource';

/** Registers the fixed resources, the template, and who watches what. */
export function registerResources(server: McpServer): void {
  const plain = { mimeType: 'text/plain' };

  server.registerResource('static-text', 'test://static-text', { description: 'A line of text', ...plain }, (uri) => ({
    contents: [{ uri: uri.href, ...plain, text: 'This is the content of the static text resource.' }],
  }));

  server.registerResource(
    'static-binary',
    'test://static-binary',
    { description: 'A picture', mimeType: 'image/png' },
    (uri) => ({ contents: [{ uri: uri.href, mimeType: 'image/png', blob: onePixelPngBase64 }] }),
  );

  server.registerResource('watched', watchedUri, { description: 'Can be watched', ...plain }, (uri) => ({
    contents: [{ uri: uri.href, ...plain, text: 'Nothing has changed.' }],
  }));

  server.registerResource(
    'template',
    new ResourceTemplate('test://template/{id}/data', { list: undefined }),
    { description: 'Data of one id', mimeType: 'application/json' },
    (uri, { id }) => ({
      contents: [
        {
          uri: uri.href,
          mimeType: 'application/json',
          text: JSON.stringify({ id, templateTest: true, data: `Data for ID: ${id}` }),
        },
      ],
    }),
  );

  registerSubscriptions(server);
}

function registerSubscriptions({ server }: McpServer): void {
  const watched = new Set<string>();
  server.setRequestHandler('resources/subscribe', ({ params }) => {
    // Refusing all others shows that a subscription that succeeds found its resource.
    if (params.uri !== watchedUri) throw new ResourceNotFoundError(params.uri);
    watched.add(params.uri);
    return {};
  });
  server.setRequestHandler('resources/unsubscribe', ({ params }) => {
    watched.delete(params.uri);
    return {};
  });
}
