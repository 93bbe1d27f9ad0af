import { aiSdk } from './ai-sdk.ts';
import { chatGpt } from './chatgpt.ts';
import { claudeAi } from './claude-ai.ts';
import { claudeCode } from './claude-code.ts';
import { codex } from './codex.ts';
import { copilotCli } from './copilot-cli.ts';
import { cursor } from './cursor.ts';
import { geminiCli } from './gemini-cli.ts';
import { mcpInspector } from './mcp-inspector.ts';
import { mcpRemote } from './mcp-remote.ts';
import { mcporter } from './mcporter.ts';
import { n8n } from './n8n.ts';
import { openCode } from './opencode.ts';
import type { RecordedClient } from './recorded-client.ts';
import { vsCode } from './vs-code.ts';

/** Every client of docs/clients.md, in its order. */
export const recordedClients: readonly RecordedClient[] = [
  claudeCode,
  claudeAi,
  chatGpt,
  codex,
  vsCode,
  cursor,
  openCode,
  geminiCli,
  copilotCli,
  mcpRemote,
  mcpInspector,
  mcporter,
  aiSdk,
  n8n,
];
