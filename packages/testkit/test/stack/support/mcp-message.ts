import type { JsonAnswer, RawRequest } from '../../../src/index.ts';
import { bearer, callMcp } from '../../../src/index.ts';

/** A JSON-RPC answer, whether it came as JSON or as an event stream. */
export type McpAnswer = JsonAnswer & {
  result: Record<string, unknown> | undefined;
  error: { code: number; message: string } | undefined;
};

/** Sends one JSON-RPC request with `token`, as a client of the 2025-11-25 protocol. */
export async function askMcp(
  mcpUrl: string,
  { token, method, params = {} }: { token: string; method: string; params?: Record<string, unknown> },
): Promise<McpAnswer> {
  return postMcp(mcpUrl, { token, body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }) });
}

/** Calls a tool. */
export function callTool(
  mcpUrl: string,
  { token, name, args = {} }: { token: string; name: string; args?: Record<string, unknown> },
): Promise<McpAnswer> {
  return askMcp(mcpUrl, { token, method: 'tools/call', params: { name, arguments: args } });
}

/** Sends any body. */
export async function postMcp(
  mcpUrl: string | URL,
  { token, body, headers, fromAddress }: { token: string; body: string } & Pick<RawRequest, 'headers' | 'fromAddress'>,
): Promise<McpAnswer> {
  const answer = await callMcp(mcpUrl, {
    body,
    ...(fromAddress !== undefined && { fromAddress }),
    headers: { ...bearer(token), 'mcp-protocol-version': '2025-11-25', ...headers },
  });
  const message = messageOf(answer.text);
  return { ...answer, result: objectOf(message?.result), error: errorOf(message?.error) };
}

/** The names of the listed tools. */
export async function listTools(mcpUrl: string, token: string): Promise<string[]> {
  const { result, text } = await askMcp(mcpUrl, { token, method: 'tools/list' });
  if (!Array.isArray(result?.tools)) throw new Error(`no list of tools: ${text}`);
  return result.tools.map((tool: unknown) => String(objectOf(tool)?.name));
}

function messageOf(text: string): Record<string, unknown> | undefined {
  const event = text.split('\n').findLast((line) => line.startsWith('data: {'));
  try {
    return objectOf(JSON.parse(event?.slice('data: '.length) ?? text));
  } catch {
    return undefined;
  }
}

function errorOf(value: unknown): { code: number; message: string } | undefined {
  const error = objectOf(value);
  return error && { code: Number(error.code), message: String(error.message) };
}

function objectOf(value: unknown): Record<string, unknown> | undefined {
  return typeof value === 'object' && value !== null ? Object.fromEntries(Object.entries(value)) : undefined;
}
