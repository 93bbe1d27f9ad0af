// Allocates until V8 holds much space for new objects, rests until it is given back, and does both again, with a breath
// now and then. Then loads much at once and lets go of it. Prints the space in MB while it was busy and after each rest,
// and by how many MB all its memory had grown when it was loaded and after a rest.
import { setTimeout as pause } from 'node:timers/promises';
import { getHeapSpaceStatistics } from 'node:v8';
import { returnMemoryAtRest } from '../../src/rest.ts';

const kept: { a: number }[] = [];

function megabytes(): number {
  const space = getHeapSpaceStatistics().find(({ space_name: name }) => name === 'new_space');
  return (space?.physical_space_size ?? 0) / 2 ** 20;
}

function work(times: number): number {
  for (let index = 0; index < times; index += 1) kept[index % 200_000] = { a: index };
  return megabytes();
}

async function rest(): Promise<number> {
  for (let looks = 0; looks < 200 && megabytes() > 4; looks += 1) await pause(50);
  return megabytes();
}

const busy = work(4_000_000);
returnMemoryAtRest(20);
const first = await rest();
let breathing = 0;
for (let rounds = 0; rounds < 40; rounds += 1) {
  breathing = Math.max(breathing, work(500_000));
  await pause(1);
}
const later = await rest();
const resident = () => process.memoryUsage.rss() / 2 ** 20;
const before = resident();
const load = (): number => {
  const much = Array.from({ length: 1_500_000 }, (_, index) => ({ a: [index, index], b: { index } }));
  return much.length > 0 ? resident() - before : 0;
};
const loaded = load();
let rested = loaded;
for (let looks = 0; looks < 200 && rested > loaded / 2; looks += 1) {
  await pause(50);
  rested = resident() - before;
}
const seesCollector = Reflect.has(globalThis, 'gc');
process.stdout.write(
  JSON.stringify({ busy, first, breathing, later, kept: kept.length, loaded, rested, seesCollector }),
);
