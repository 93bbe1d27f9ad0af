import { performance } from 'node:perf_hooks';
import { getHeapSpaceStatistics, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

const LOOK_INTERVAL_MS = 1000;
const MOST_UTILIZATION = 0.05;
const QUIET_LOOKS = 10;
const VERY_QUIET_LOOKS = 60;
const WORTH_BYTES = 4 * 2 ** 20;
const MOST_NEW_BYTES = 32 * 2 ** 20;
const MUCH_BYTES = 48 * 2 ** 20;

/** How a process has been since the last look. */
export type Rest = {
  /** Memory that V8 holds for new objects, whether it is used or not. */
  newObjectsBytes: number;
  /** How many looks in a row, this one among them, have found hardly anything to do. */
  quietLooks: number;
  /** Whether it has rested before. */
  hasRested: boolean;
  /** How much more memory the process holds than after everything was collected last. */
  grownBytes: number;
};

/**
 * What is worth collecting: nothing while there is work, or where little would come of it. At the first rest everything,
 * because starting leaves much behind; that takes up to 0.2 s. Later that waits for a rest of a minute, and for much to have
 * come together: V8 by itself frees what a load has left, but keeps the pages, and gives them back after no other
 * collection than this. It takes code away that was made fast, too: after one in each pause of ten seconds a sign-in took
 * 33 ms of processor time instead of 21. For less new objects alone, which takes some milliseconds; that waits as long: the first 200
 * requests in a space that has to grow again took a quarter more time.
 */
export function worthCollecting({
  newObjectsBytes,
  quietLooks,
  hasRested,
  grownBytes,
}: Rest): 'all' | 'new' | undefined {
  if (quietLooks < (hasRested ? QUIET_LOOKS : 1)) return undefined;
  if (hasRested && quietLooks >= VERY_QUIET_LOOKS && grownBytes >= MUCH_BYTES) return 'all';
  if (newObjectsBytes < WORTH_BYTES) return undefined;
  return hasRested ? 'new' : 'all';
}

/**
 * Gives memory back whenever this process rests. V8 by itself looks for garbage when it allocates, so after a start or a load
 * it would hold for ever what its busiest moment took: for new objects alone 40 MB after starting, and up to 130 MB.
 * Under load their space is kept from growing much beyond 32 MB, with which our requests take no more time.
 *
 * @param intervalMs how often it looks; a second by default
 * @returns what ends it; it keeps no process alive
 */
export function returnMemoryAtRest(intervalMs = LOOK_INTERVAL_MS): () => void {
  const collect = garbageCollection();
  let before = performance.eventLoopUtilization();
  let hasRested = false;
  let quietLooks = 0;
  let keptBytes = 0;
  const keepSmall = limitOfNewObjects();
  const timer = setInterval(() => {
    const now = performance.eventLoopUtilization();
    const { utilization } = performance.eventLoopUtilization(now, before);
    before = now;
    quietLooks = utilization > MOST_UTILIZATION ? 0 : quietLooks + 1;
    const newBytes = newObjectsBytes();
    keepSmall(newBytes);
    const grownBytes = process.memoryUsage.rss() - keptBytes;
    const worth = worthCollecting({ newObjectsBytes: newBytes, quietLooks, hasRested, grownBytes });
    if (worth === 'new') collect({ type: 'minor' });
    if (worth !== 'all') return;
    hasRested = true;
    collect({ type: 'major', flavor: 'last-resort' });
    // What is compiled from here on is what requests go through, and would be compiled again for the next one.
    setFlagsFromString('--no-flush-bytecode');
    keptBytes = process.memoryUsage.rss();
  }, intervalMs).unref();
  return () => clearInterval(timer);
}

function newObjectsBytes(): number {
  return getHeapSpaceStatistics().find(({ space_name: name }) => name === 'new_space')?.physical_space_size ?? 0;
}

/** V8 takes a limit only when it starts; by how much it then grows the space each time, it looks up each time. */
function limitOfNewObjects(): (bytes: number) => void {
  let grows = true;
  return (bytes) => {
    if (grows === bytes < MOST_NEW_BYTES) return;
    grows = !grows;
    setFlagsFromString(`--semi-space-growth-factor=${grows ? 2 : 1}`);
  };
}

/** V8 shows its collector only to contexts that are made while a flag is set; nobody else has to see it. */
function garbageCollection(): NodeJS.GCFunction {
  setFlagsFromString('--expose-gc');
  const collect: NodeJS.GCFunction = runInNewContext('gc');
  setFlagsFromString('--no-expose-gc');
  return collect;
}
