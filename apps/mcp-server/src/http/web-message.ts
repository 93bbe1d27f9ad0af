import type { IncomingMessage } from 'node:http';
import { Readable } from 'node:stream';
import type { ReadableStream as NodeReadableStream } from 'node:stream/web';
import { webRequest } from '@portcullis/guard/node';
import type { Context } from 'koa';

/** Koa's request in web form, aborted when the client goes away. Its URL is built on `origin`, never on the `Host` header. */
export function toWebRequest(context: Context, origin: string): Request {
  const { req, res } = context;
  const gone = new AbortController();
  res.once('close', () => gone.abort());
  const head = webRequest(req, origin);
  const { url, method, headers } = head;
  return new Request(url, { method, headers, signal: gone.signal, ...bodyOf(req) });
}

function bodyOf(message: IncomingMessage) {
  // MCP has no other message with a body; what came with one is read by nobody.
  if (message.method !== 'POST') return {};
  // A reader that stops early must not destroy the message: its connection is the one that the refusal goes out on.
  const chunks: AsyncIterator<Uint8Array<ArrayBuffer>> = message.iterator({ destroyOnReturn: false });
  const body = new ReadableStream<Uint8Array<ArrayBuffer>>(
    {
      async pull(controller) {
        const chunk = await chunks.next();
        if (chunk.done) controller.close();
        else controller.enqueue(chunk.value);
      },
      async cancel() {
        await chunks.return?.();
      },
    },
    // Nothing is read before it is asked for, so that what is refused by its headers alone stays untouched.
    { highWaterMark: 0 },
  );
  return { body, duplex: 'half' as const };
}

/** Makes a web response Koa's answer; a stream is passed on as it comes. */
export function answerWith(context: Context, response: Response): void {
  context.status = response.status;
  for (const [name, value] of response.headers) context.set(name, value);
  if (response.body) context.body = Readable.fromWeb(response.body as NodeReadableStream<Uint8Array>);
  else context.res.end();
}
