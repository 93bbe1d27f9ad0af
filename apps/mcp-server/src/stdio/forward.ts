import {
  isInitializeRequest,
  isJSONRPCNotification,
  isJSONRPCRequest,
  isJSONRPCResponse,
  isJSONRPCResultResponse,
  type JSONRPCMessage,
  type RequestId,
  type StreamableHTTPClientTransport,
  type Transport,
} from '@modelcontextprotocol/client';
import { forwardingFailure } from './forwarding-failure.ts';

/** The two ends, and where what cannot be told to the client is written. */
export type Ends = { local: Transport; remote: StreamableHTTPClientTransport; note(line: string): void };

/**
 * Hands messages on between a client at standard input and output and the running MCP server, as they are and in both
 * protocol eras, until the client is gone. Each request gets an answer, its own or why there is none, unless the client
 * cancels it: then its HTTP request ends, which is how the server hears of it.
 */
export async function forward({ local, remote, note }: Ends): Promise<void> {
  const pending = new Map<RequestId, AbortController>();
  let handshake: RequestId | undefined;
  const noteFailure = (cause: unknown) => note(forwardingFailure(cause).message);

  function answerFailure(id: RequestId, cause: unknown): void {
    if (!pending.delete(id)) return;
    void local.send({ jsonrpc: '2.0', id, error: forwardingFailure(cause) }).catch(noteFailure);
  }

  function request(message: JSONRPCMessage & { id: RequestId }): void {
    const { id } = message;
    const cancelling = new AbortController();
    pending.set(id, cancelling);
    const onRequestStreamEnd = () => answerFailure(id, new Error('the stream ended without an answer'));
    remote
      .send(message, { requestSignal: cancelling.signal, onRequestStreamEnd })
      .catch((cause: unknown) => answerFailure(id, cause));
  }

  function cancel(id: unknown): void {
    if (typeof id !== 'string' && typeof id !== 'number') return;
    const cancelling = pending.get(id);
    pending.delete(id);
    cancelling?.abort();
  }

  local.onmessage = (message) => {
    if (isInitializeRequest(message) && isJSONRPCRequest(message)) handshake = message.id;
    if (isJSONRPCRequest(message)) request(message);
    else if (isJSONRPCNotification(message) && message.method === 'notifications/cancelled')
      cancel(message.params?.requestId);
    else remote.send(message).catch(noteFailure);
  };
  remote.onmessage = (message) => {
    if (isJSONRPCResponse(message) && message.id !== undefined) pending.delete(message.id);
    if (isJSONRPCResultResponse(message) && message.id === handshake) adoptVersion(remote, message.result);
    void local.send(message).catch(noteFailure);
  };
  local.onclose = () => void remote.close();
  local.onerror = () => note('A line from the client is no MCP message; it was passed over.');
  await remote.start();
  await local.start();
}

/** From the handshake on, requests of the older era name the revision that was agreed on. */
function adoptVersion(remote: StreamableHTTPClientTransport, { protocolVersion }: Record<string, unknown>): void {
  if (typeof protocolVersion === 'string') remote.setProtocolVersion(protocolVersion);
}
