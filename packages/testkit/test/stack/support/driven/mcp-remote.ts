import { fileURLToPath } from 'node:url';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import type { DrivenClient, DrivenOptions } from './driven-client.ts';
import { printedAuthorizationUrl, readWhoami } from './driven-client.ts';

/** mcp-remote as an application starts it: over standard input and output, with the URL as its one argument. */
export function driveMcpRemote({ mcpUrl, home, openInBrowser }: DrivenOptions): DrivenClient {
  const program = fileURLToPath(import.meta.resolve('mcp-remote/dist/proxy.js'));
  let application: Client | undefined;

  const start = async (client: Client) => {
    const transport = new StdioClientTransport({
      command: process.execPath,
      args: [program, mcpUrl],
      env: home.env,
      stderr: 'pipe',
    });
    let output = '';
    let opened: Promise<unknown> | undefined;
    transport.stderr?.on('data', (chunk: Buffer) => {
      output += chunk;
      const url = printedAuthorizationUrl(output);
      if (url && !opened) opened = openInBrowser(url);
    });
    await client.connect(transport);
    await opened;
  };

  return {
    async whoami() {
      if (!application) {
        // Known before it is connected, so that it is ended whatever comes of that.
        application = new Client({ name: 'Application', version: '1.0.0' });
        await start(application);
      }
      return readWhoami((await application.callTool({ name: 'whoami', arguments: {} })).structuredContent);
    },
    async end() {
      await application?.close();
      application = undefined;
    },
  };
}
