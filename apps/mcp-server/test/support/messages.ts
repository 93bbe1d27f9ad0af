import type { TestDesk } from './desk.ts';

/** The protocol's two ways of writing a message. */
export const ERAS = ['2025-11-25', '2026-07-28'] as const;
/** One of {@link ERAS}. */
export type Era = (typeof ERAS)[number];

/** An answer, taken apart. */
export type Answer = { status: number; headers: Headers; message: JsonRpcMessage; text: string };

type JsonRpcMessage = {
  id?: unknown;
  result?: Record<string, unknown> & { tools?: { name: string }[]; structuredContent?: Record<string, unknown> };
  error?: { code: number; message: string; data?: Record<string, unknown> };
};

type Ask = {
  token: string;
  era: Era;
  method: string;
  params?: Record<string, unknown>;
  signal?: AbortSignal;
  capabilities?: Record<string, unknown>;
};

/** Sends one JSON-RPC request the way a client of this era does. */
export async function ask(
  desk: Pick<TestDesk, 'url'>,
  { token, era, method, params = {}, signal, capabilities = {} }: Ask,
): Promise<Answer> {
  const modern = era === '2026-07-28';
  const meta = {
    'io.modelcontextprotocol/protocolVersion': era,
    'io.modelcontextprotocol/clientCapabilities': capabilities,
    'io.modelcontextprotocol/clientInfo': { name: 'test', version: '1' },
  };
  const body = { jsonrpc: '2.0', id: 1, method, params: modern ? { ...params, _meta: meta } : params };
  const subject = params.name ?? params.uri;
  const standard: Record<string, string> = modern
    ? { 'mcp-method': method, ...(typeof subject === 'string' && { 'mcp-name': subject }) }
    : {};
  const headers = { 'mcp-protocol-version': era, ...standard };
  return await post(desk, { token, body: JSON.stringify(body), headers, ...(signal && { signal }) });
}

/** Calls a tool. */
export function call(
  desk: Pick<TestDesk, 'url'>,
  {
    era = '2025-11-25',
    name,
    args = {},
    ...rest
  }: Pick<Ask, 'token' | 'signal'> & { era?: Era; name: string; args?: unknown },
): Promise<Answer> {
  return ask(desk, { ...rest, era, method: 'tools/call', params: { name, arguments: args } });
}

/** Sends any body. */
export async function post(
  desk: Pick<TestDesk, 'url'>,
  {
    token,
    body,
    headers = {},
    signal,
  }: { token?: string; body: string; headers?: Record<string, string>; signal?: AbortSignal },
): Promise<Answer> {
  const response = await fetch(desk.url, {
    method: 'POST',
    body,
    ...(signal && { signal }),
    headers: {
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      ...(token && { authorization: `Bearer ${token}` }),
      ...headers,
    },
  });
  const text = await response.text();
  return { status: response.status, headers: response.headers, text, message: parseMessage(text) };
}

function parseMessage(text: string): JsonRpcMessage {
  const data = text.split('\n').findLast((line) => line.startsWith('data: {'));
  const json = data ? data.slice('data: '.length) : text;
  try {
    return JSON.parse(json);
  } catch {
    return {};
  }
}
