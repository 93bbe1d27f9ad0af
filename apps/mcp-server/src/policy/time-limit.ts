/** How a piece of work ended. */
export type Timed<Value> = { ended: true; value: Value } | { ended: false; reason: 'timed-out' | 'cancelled' };

/**
 * Runs work until it ends, its time is over, or its caller is gone. Then the work's signal is aborted and the answer does
 * not wait for it: work that does not heed its signal goes on unseen, and holds nobody up.
 */
export async function withinTime<Value>(
  work: (signal: AbortSignal) => Promise<Value>,
  { timeoutMs, signal: gone }: { timeoutMs: number; signal: AbortSignal },
): Promise<Timed<Value>> {
  const stop = new AbortController();
  const stopped = new Promise<Timed<Value>>((resolve) => {
    // Listens before the work does: what the work throws when it is stopped comes too late to be the outcome.
    stop.signal.addEventListener('abort', () => resolve({ ended: false, reason: stop.signal.reason }), { once: true });
  });
  const timer = setTimeout(() => stop.abort('timed-out'), timeoutMs);
  const leave = () => stop.abort('cancelled');
  gone.addEventListener('abort', leave, { once: true });
  if (gone.aborted) leave();
  const done = work(stop.signal).then((value): Timed<Value> => ({ ended: true, value }));
  done.catch(() => {});
  try {
    return await Promise.race([stopped, done]);
  } finally {
    clearTimeout(timer);
    gone.removeEventListener('abort', leave);
  }
}
