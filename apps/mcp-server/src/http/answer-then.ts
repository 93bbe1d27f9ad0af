/**
 * Gives an answer, and does something once when it has been sent, when its caller is gone, or when there is none.
 *
 * @param finish must not throw
 */
export async function answerThen(answer: () => Promise<Response>, finish: () => void): Promise<Response> {
  try {
    const response = await answer();
    if (response.body) return new Response(releasing(response.body, finish), response);
    finish();
    return response;
  } catch (cause) {
    finish();
    throw cause;
  }
}

/** The same bytes; whichever way the stream ends, it ends once. */
function releasing(body: ReadableStream<Uint8Array>, finish: () => void): ReadableStream<Uint8Array> {
  const reader = body.getReader();
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      try {
        const { done, value } = await reader.read();
        if (!done) return controller.enqueue(value);
        finish();
        controller.close();
      } catch (cause) {
        finish();
        controller.error(cause);
      }
    },
    async cancel(reason) {
      finish();
      await reader.cancel(reason);
    },
  });
}
