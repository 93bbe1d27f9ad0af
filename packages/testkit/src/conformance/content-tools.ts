import type { McpServer } from '@modelcontextprotocol/server';
import { onePixelPngBase64, silentWavBase64 } from './fixture-media.ts';

/** Registers the tools that answer with each kind of content, and the one that always fails. */
export function registerContentTools(server: McpServer): void {
  server.registerTool('test_simple_text', { description: 'Answers with a line of text' }, () => ({
    content: [{ type: 'text', text: 'This is a simple text response for testing.' }],
  }));

  server.registerTool('test_image_content', { description: 'Answers with a PNG' }, () => ({
    content: [{ type: 'image', data: onePixelPngBase64, mimeType: 'image/png' }],
  }));

  server.registerTool('test_audio_content', { description: 'Answers with a WAV' }, () => ({
    content: [{ type: 'audio', data: silentWavBase64, mimeType: 'audio/wav' }],
  }));

  server.registerTool('test_embedded_resource', { description: 'Answers with a resource inside' }, () => ({
    content: [
      {
        type: 'resource',
        resource: {
          uri: 'test://embedded-resource',
          mimeType: 'text/plain',
          text: 'This is an embedded resource content.',
        },
      },
    ],
  }));

  server.registerTool('test_multiple_content_types', { description: 'Answers with text, image and resource' }, () => ({
    content: [
      { type: 'text', text: 'Multiple content types test:' },
      { type: 'image', data: onePixelPngBase64, mimeType: 'image/png' },
      {
        type: 'resource',
        resource: {
          uri: 'test://mixed-content-resource',
          mimeType: 'application/json',
          text: JSON.stringify({ test: 'data', value: 123 }),
        },
      },
    ],
  }));

  server.registerTool('test_error_handling', { description: 'Always fails' }, () => {
    throw new Error('This tool intentionally returns an error for testing');
  });
}
