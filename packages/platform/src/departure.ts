import type { Server } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';

/** How a process goes without a request that fails: proxies in front hear of it while it still answers. */
export type Departure = {
  /** Whether the process is about to stop. It answers as before, but `/readyz` has to say no. */
  isNear(): boolean;
  /** From the announcement on, each answer of `server` ends its connection: a proxy may send no second request on it. */
  watch(server: Server): void;
  /** Announces that the process is about to stop; resolves when proxies have had their time to hear of it. */
  announce(): Promise<void>;
};

/** Makes one. `seconds` is how long proxies have, 0 or more; with 0 the process stops at once. */
export function createDeparture(seconds: number): Departure {
  let near = false;
  return {
    isNear: () => near,
    watch(server) {
      server.prependListener('request', (_request, response) => {
        if (near) response.setHeader('Connection', 'close');
      });
    },
    async announce() {
      if (seconds === 0) return;
      near = true;
      await delay(seconds * 1000);
    },
  };
}
