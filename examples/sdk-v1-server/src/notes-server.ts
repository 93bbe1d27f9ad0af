import type { AuthInfo } from '@modelcontextprotocol/sdk/server/auth/types.js';
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import { z } from 'zod';

/** The notes of each user, by the user's id in the tokens. */
export type Notebook = Map<string, string[]>;

/**
 * The tools for one request. Whose notes they touch is decided by the token, never by an argument.
 *
 * @param caller what the verifier found in the token of this request
 */
export function createNotesServer(notebook: Notebook, caller: AuthInfo): McpServer {
  const owner = subjectOf(caller);
  const server = new McpServer({ name: 'notes', version: '1.0.0' });

  server.registerTool('list_notes', { description: 'Lists your notes.' }, () => {
    const notes = notebook.get(owner) ?? [];
    return { content: [{ type: 'text', text: notes.join('\n') || 'No notes yet.' }] };
  });

  // A client without the scope does not see the tool at all.
  if (caller.scopes.includes('notes:write')) {
    const inputSchema = z.strictObject({ text: z.string().min(1).max(500) });
    server.registerTool('add_note', { description: 'Adds a note of yours.', inputSchema }, ({ text }) => {
      notebook.set(owner, [...(notebook.get(owner) ?? []), text]);
      return { content: [{ type: 'text', text: 'Noted.' }] };
    });
  }
  return server;
}

function subjectOf({ extra }: AuthInfo): string {
  const principal = z.object({ subject: z.string() }).parse(extra?.principal);
  return principal.subject;
}
