import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { say } from '../prepare/step.mjs';

const POLL_MS = 100;
const REQUEST_TIMEOUT_MS = 2000;
const PARENT_POLL_MS = 250;
/** How long a server that has neither come up nor given up may hold up the end of the others. */
const SAY_WHY_MS = 10_000;

/**
 * Runs the servers until a signal or until one of them ends, and then ends the others.
 *
 * They share our terminal and say themselves what goes wrong; what concerns both is shown once. The channel to each does two things: the server tells
 * through it that it listens, so that a stranger on its port is never taken for it; and it notices when we are gone.
 * @returns {Promise<number>} 0 after a signal when all of them ended well, else 1
 */
export async function superviseServers({ runtime, root, servers }) {
  const write = onceForProblems((line) => process.stderr.write(`${line}\n`));
  const children = servers.map((server) => start({ runtime, root, server, write }));
  const signalled = firstSignal();
  const ended = Promise.race(children.map((child) => child.ended));

  const ready = Promise.all(children.map((child) => child.ready)).then(
    (all) => all.every(Boolean) && announce(servers),
  );
  const why = await Promise.race([signalled, ended, ready.then(() => Promise.race([signalled, ended]))]);

  // What is wrong with both is told at once: the first one to give up must not silence the other.
  if (why !== 'signal') await Promise.race([signalled, after(SAY_WHY_MS), Promise.all(children.map(hasSpoken))]);
  for (const child of children) child.end();
  const codes = await Promise.all(children.map((child) => child.ended));
  return why === 'signal' && codes.every((code) => code === 0) ? 0 : 1;
}

/** Both servers read what concerns both: a line that names a problem is written for the first of them only. */
function onceForProblems(write) {
  const said = new Set();
  return (line) => {
    if (said.has(line)) return;
    if (line.startsWith('portcullis: ')) said.add(line);
    write(line);
  };
}

function start({ runtime, root, server, write }) {
  const child = spawn(runtime, [server.program], {
    cwd: root,
    env: server.env,
    stdio: ['inherit', 'inherit', 'pipe', 'ipc'],
  });
  createInterface({ input: child.stderr }).on('line', write);
  const ended = new Promise((resolve) => {
    child.once('error', () => resolve(1));
    // Once all that it wrote has come.
    child.once('close', (code) => resolve(code ?? 1));
  });
  const listening = new Promise((resolve) => child.on('message', (message) => message === 'listening' && resolve()));
  return {
    ended,
    listening,
    ready: listening.then(() =>
      untilReady(server.readyUrl, () => child.exitCode === null && child.signalCode === null),
    ),
    end: () => child.kill('SIGTERM'),
  };
}

/** Resolves when a server either listens or has ended: its problems, if it has any, are written by then. */
const hasSpoken = ({ listening, ended }) => Promise.race([listening, ended]);

const after = (ms) => new Promise((resolve) => setTimeout(resolve, ms).unref());

/** Whether the address came to answer 200 while the process ran; without an address, whether it listens is enough. */
async function untilReady(url, isRunning) {
  if (url === undefined) return true;
  while (isRunning()) {
    if (await isReady(url)) return true;
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
  return false;
}

async function isReady(url) {
  try {
    return (await fetch(url, { signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS) })).ok;
  } catch {
    return false;
  }
}

function announce(servers) {
  const width = Math.max(...servers.map(({ name }) => name.length));
  say('');
  say('Portcullis is ready.');
  for (const { name, url } of servers) say(`  ${name.padEnd(width)}  ${url}`);
}

/** A terminal's Ctrl-C reaches the servers as well as us: they take the second signal for the first one again. */
function firstSignal() {
  return new Promise((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => resolve('signal'));
    if (process.env.npm_lifecycle_event !== undefined) whenParentGoes(() => resolve('signal'));
  });
}

/** npm that is killed tells nobody; what it started would keep the ports and the data folder. */
function whenParentGoes(act) {
  const parent = process.ppid;
  setInterval(() => process.ppid !== parent && act(), PARENT_POLL_MS).unref();
}
