import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

const SIGNALS = ['SIGINT', 'SIGTERM'] as const;
/** Whoever has not ended by then is killed. */
const PATIENCE_MS = 10_000;
const LOOK_MS = 50;

/**
 * Does work that starts processes and makes temporary folders, and leaves neither behind: not where it fails, and not
 * where this process is asked to end, at whatever point of the work that is.
 */
export async function leavingNothing<Result>(work: () => Promise<Result>): Promise<Result> {
  const folder = mkdtempSync(join(tmpdir(), 'portcullis-benchmark-run-'));
  // PostgreSQL runs as another user where we are root, in a folder below this one.
  chmodSync(folder, 0o711);
  // biome-ignore lint/style/noProcessEnv: it is where os.tmpdir() and the programs that are started look.
  process.env.TMPDIR = folder;
  const remove = () => rmSync(folder, { recursive: true, force: true });
  let isEnding = false;
  for (const signal of SIGNALS)
    process.on(signal, () => {
      if (!isEnding) void end(signal, remove);
      isEnding = true;
    });
  try {
    return await work();
  } finally {
    // Its servers end under it then, and what it makes of that is nobody's business any more.
    if (isEnding) await new Promise(() => undefined);
    remove();
  }
}

async function end(signal: (typeof SIGNALS)[number], remove: () => void): Promise<never> {
  for (const fault of ['uncaughtException', 'unhandledRejection']) process.on(fault, () => undefined);
  process.stderr.write(`${signal}: ending what was started\n`);
  const asked = new Set<number>();
  const deadline = performance.now() + PATIENCE_MS;
  for (let left = descendants(asked); left.length > 0; left = descendants(asked)) {
    for (const pid of left) {
      // SIGINT is what makes PostgreSQL disconnect its clients; ours take it as SIGTERM.
      if (performance.now() > deadline) signalTo(pid, 'SIGKILL');
      else if (!asked.has(pid)) signalTo(pid, 'SIGINT');
      asked.add(pid);
    }
    await pause(LOOK_MS);
  }
  // Nothing of the work runs between that look and the end, so that it starts nothing more.
  remove();
  process.exit(128 + constants.signals[signal]);
}

/** The processes that run below this one, and those known that have lost their parent. */
function descendants(known: ReadonlySet<number>): number[] {
  const parents = new Map(
    readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name))
      .flatMap((name) => {
        const parent = parentOf(name);
        return parent === undefined ? [] : [[Number(name), parent] as const];
      }),
  );
  const isBelow = (pid: number): boolean => {
    const parent = parents.get(pid);
    return parent !== undefined && (parent === process.pid || isBelow(parent));
  };
  return [...parents.keys()].filter((pid) => isBelow(pid) || known.has(pid));
}

/** Undefined for one that has ended, whether or not somebody has taken notice. */
function parentOf(pid: string): number | undefined {
  try {
    const [, state, parent] = /^.*\) (\S) (\d+) /s.exec(readFileSync(`/proc/${pid}/stat`, 'utf8')) ?? [];
    return state === 'Z' ? undefined : Number(parent);
  } catch {
    return undefined;
  }
}

function signalTo(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It has ended in the meantime.
  }
}
