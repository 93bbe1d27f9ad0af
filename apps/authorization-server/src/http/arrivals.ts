import type { IncomingMessage, Server } from 'node:http';
import type { Socket } from 'node:net';
import { setImmediate as nextTurn } from 'node:timers/promises';

/** A connection that was opened and not used makes its first request no older than this. */
const MAX_AGE_MS = 2000;

const openedMs = new WeakMap<Socket, number>();
let arrived = 0;

/** Notes when the connections of a server are opened. */
export function noteConnections(server: Server): void {
  server.on('connection', (socket: Socket) => void openedMs.set(socket, performance.now()));
}

/**
 * Notes that a request has been read, and tells how many milliseconds ago it was sent at the earliest: the first one on
 * a connection may have been on its way ever since that was opened.
 */
export function noteArrival({ socket }: IncomingMessage): number {
  arrived++;
  const opened = openedMs.get(socket);
  openedMs.delete(socket);
  return opened === undefined ? 0 : Math.min(performance.now() - opened, MAX_AGE_MS);
}

/**
 * Waits until the requests have been read that reached this machine before now. Node.js takes one connection at each
 * turn of its event loop, so a quick answer would otherwise overtake the reading of what was sent at the same moment.
 * That takes three turns when nothing is waiting, and no more than fifty.
 */
export async function untilArrived(): Promise<void> {
  let quietTurns = 0;
  for (let turn = 0; turn < 50 && quietTurns < 3; turn++) {
    const before = arrived;
    await nextTurn();
    quietTurns = arrived === before ? quietTurns + 1 : 0;
  }
}
