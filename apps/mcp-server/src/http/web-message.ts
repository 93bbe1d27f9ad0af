import type { IncomingMessage } from 'node:http';
import { bodyOf, sendResponse, webRequest } from '@portcullis/guard/node';
import type { Context } from 'koa';

/** A request without its body, the body if it is a message, and what is aborted once it is over. */
export type WebMessage = {
  request: Request;
  body: AsyncIterable<Uint8Array> | undefined;
  /** Aborted once the answer has been sent, or the client is gone before. The signal of the request is aborted then too. */
  over: AbortSignal;
};

/**
 * Why all requests are over. A reason that is made at the time holds the stack that it was made on, and with it the
 * whole request for as long as a signal is there.
 */
const OVER = new DOMException('The answer is sent, or the client is gone', 'AbortError');

/** Koa's request in web form. Its URL is built on `origin`, never on the `Host` header. */
export function toWebMessage({ req, res }: Context, origin: string): WebMessage {
  const ending = new AbortController();
  const request = webRequest(req, origin, { signal: ending.signal });
  const open = { ending, request };
  // Holds the request until then: its signal is aborted only for as long as somebody does.
  res.once('close', () => open.ending.abort(OVER));
  return { request, body: messageOf(req), over: ending.signal };
}

/** MCP has no other message with a body; what came with one is read by nobody. */
function messageOf(message: IncomingMessage): AsyncIterable<Uint8Array> | undefined {
  return message.method === 'POST' ? bodyOf(message) : undefined;
}

/** Does something once, when a request is over, be it already. */
export function onceOver(over: AbortSignal, act: () => void): void {
  if (over.aborted) act();
  else over.addEventListener('abort', act, { once: true });
}

/** Sends a web response as Koa's answer; a stream is passed on as it comes. */
export async function answerWith(context: Context, response: Response): Promise<void> {
  context.respond = false;
  try {
    await sendResponse(response, context.res);
  } catch (cause) {
    // Whoever has begun to read an answer must not take what came of it for all of it.
    if (context.headerSent) context.res.destroy();
    else context.respond = true;
    throw cause;
  }
}
