import { readdirSync, readFileSync } from 'node:fs';

/** What a process has used so far, as Linux counts it. */
export type ProcessUsage = Readonly<{
  /** Seconds of processor time, of all its threads that live. */
  cpuSeconds: number;
  /** Bytes of it that are in memory now. */
  residentBytes: number;
}>;

/**
 * Reads `/proc`: nanoseconds on a processor, where `stat` would say hundredths of a second.
 *
 * @throws Error where there is no such process, or no `/proc`
 */
export function usageOf(pid: number): ProcessUsage {
  const threads = readdirSync(`/proc/${pid}/task`);
  const nanoseconds = threads.reduce((sum, thread) => sum + nanosecondsOf(`/proc/${pid}/task/${thread}`), 0);
  const [, kilobytes = Number.NaN] = /^VmRSS:\s*(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
  return { cpuSeconds: nanoseconds / 1e9, residentBytes: Number(kilobytes) * 1024 };
}

/** The processor time of several processes together, such as a server and the children that it has started. */
export function cpuSecondsOf(pids: readonly number[]): number {
  return pids.reduce((sum, pid) => sum + usageOf(pid).cpuSeconds, 0);
}

/** A thread may end between its being listed and its being read; it has done nothing since then. */
function nanosecondsOf(folder: string): number {
  try {
    return Number(readFileSync(`${folder}/schedstat`, 'utf8').split(' ', 1)[0]);
  } catch {
    return 0;
  }
}
