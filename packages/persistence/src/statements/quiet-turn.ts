import { performance } from 'node:perf_hooks';
import { setImmediate as nextTurn } from 'node:timers/promises';

/**
 * Waits for a turn of the event loop that brings nothing, so that whoever is on the way comes along; where there is nothing else
 * to do, that is at once.
 *
 * @param mostMs how long at most
 * @param eventsSoFar how many events the event loop has handled
 */
export async function quietTurn(mostMs: number, eventsSoFar = handledEvents): Promise<void> {
  const until = performance.now() + mostMs;
  // The end of the present turn; what it looks for comes in the next ones.
  await nextTurn();
  for (let before = eventsSoFar(), isQuiet = false; !isQuiet; ) {
    await nextTurn();
    const now = eventsSoFar();
    isQuiet = now === before || performance.now() >= until;
    before = now;
  }
}

function handledEvents(): number {
  return performance.nodeTiming.uvMetricsInfo.events;
}
