type KnownClient = { isCalled: RegExp; advice: string };

/** How to make each known client forget a registration; NAME is what the user called the server there. */
const KNOWN_CLIENTS: readonly KnownClient[] = [
  {
    isCalled: /^claude code/i,
    advice:
      'Claude Code: run “claude mcp remove NAME” and “claude mcp add” again, or choose “Clear authentication” under /mcp.',
  },
  {
    isCalled: /^claude/i,
    advice: 'Claude on the web and Claude Desktop: remove the connector in the settings and add it again.',
  },
  {
    isCalled: /^(chatgpt|openai)/i,
    advice: 'ChatGPT: disconnect the app in the settings and connect it again.',
  },
  { isCalled: /^codex/i, advice: 'Codex: run “codex mcp logout NAME” and then “codex mcp login NAME”.' },
  {
    isCalled: /^(visual studio code|vs ?code|github copilot in vs ?code)/i,
    advice: 'VS Code: run “Authentication: Remove Dynamic Authentication Providers” from the command palette.',
  },
  {
    isCalled: /^github copilot cli/i,
    advice: 'Copilot CLI: end it, delete the folder ~/.copilot/mcp-oauth-config, and start it again.',
  },
  { isCalled: /^cursor/i, advice: 'Cursor: remove the server in the MCP settings and add it again.' },
  {
    isCalled: /^(mcp-remote|mcp cli proxy)/i,
    advice: 'mcp-remote: end it, run “rm -rf ~/.mcp-auth”, and start it again.',
  },
  {
    isCalled: /inspector/i,
    advice: 'MCP Inspector: clear the OAuth state in its authentication settings, and connect again.',
  },
  { isCalled: /^opencode/i, advice: 'opencode: run “opencode mcp logout NAME” and then “opencode mcp auth NAME”.' },
  {
    isCalled: /^gemini/i,
    advice: 'Gemini CLI: take the server out of ~/.gemini/mcp-oauth-tokens.json, and run “/mcp auth NAME”.',
  },
  { isCalled: /^n8n/i, advice: 'n8n: delete the credential and make a new one.' },
  { isCalled: /mcporter/i, advice: 'mcporter: run “mcporter auth NAME --reset”.' },
];

const ANY_CLIENT = 'Remove the server from your app and add it again, so that the app registers anew.';

/** What a user has to do so that the client registers anew: for that client where its name is known, else for each. */
export function resetAdvice(name: string | undefined): string[] {
  const known = name === undefined ? undefined : KNOWN_CLIENTS.find(({ isCalled }) => isCalled.test(name.trim()));
  return known ? [known.advice] : [ANY_CLIENT, ...KNOWN_CLIENTS.map(({ advice }) => advice)];
}
