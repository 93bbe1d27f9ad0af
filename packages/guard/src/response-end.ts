/** Does something when an answer is over: its last byte is on its way, or nobody reads it any more. */
export function afterwards(response: Response, act: () => void | Promise<void>): Response {
  if (response.body === null) {
    void act();
    return response;
  }
  const over = { flush: act, cancel: act };
  const body = response.body.pipeThrough(new TransformStream<Uint8Array, Uint8Array>(over));
  return new Response(body, { status: response.status, headers: response.headers });
}
