import { StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { StdioServerTransport } from '@modelcontextprotocol/server/stdio';
import { isPersonalAccessToken } from '@portcullis/guard';
import { StartupError } from '@portcullis/platform';
import type { StdioConfig } from '../config.ts';
import { forward } from './forward.ts';

/**
 * Serves one client at standard input and output by the running MCP server, with a personal access token: exactly its
 * scopes, limits and audit apply. Opens no database and signs nobody in; standard output holds nothing but messages.
 *
 * @throws {StartupError} without a token
 */
export async function startStdio({ mcpUrl, token }: StdioConfig): Promise<{ close(): Promise<void> }> {
  const value = token.reveal();
  if (!(await isPersonalAccessToken(value))) throw new StartupError([NO_TOKEN]);
  const local = new StdioServerTransport();
  const remote = new StreamableHTTPClientTransport(new URL(mcpUrl), {
    // Wherever a redirect leads, the token is for this server alone.
    requestInit: { headers: { authorization: `Bearer ${value}` }, redirect: 'error' },
  });
  await forward({ local, remote, note: (line) => process.stderr.write(`portcullis: ${line}\n`) });
  return { close: () => local.close() };
}

const NO_TOKEN =
  'PORTCULLIS_MCP_TOKEN holds no personal access token: one begins with pct_, and your account page makes it.';
