import { type LoadGenerator, startLoadGenerator } from '../load-generator.ts';
import { type Portcullis, startPortcullis } from './portcullis.ts';
import { type Subjects, startSubjects } from './subjects.ts';

/** Where cases get the servers that they measure, and what loads them; what they get they stop. */
export type Servers = {
  /** A Portcullis on SQLite. */
  portcullis(): Promise<Portcullis>;
  /** All authorization servers that are compared. */
  subjects(): Promise<Subjects>;
  loadGenerator(): Promise<LoadGenerator>;
  /** Stops what was only lent. */
  stop(): Promise<void>;
};

/** New ones for each case, so that none is warmer than another; in a quick run, which says nothing of speed, the same for all. */
export function createServers({ quick }: { quick: boolean }): Servers {
  if (quick) return lentServers();
  return {
    portcullis: () => startPortcullis(),
    subjects: () => startSubjects({ few: false }),
    loadGenerator: startLoadGenerator,
    stop: async () => undefined,
  };
}

function lentServers(): Servers {
  const started = new AsyncDisposableStack();
  const lent = <Server extends { stop(): Promise<void> }>(start: () => Promise<Server>) => {
    let starting: Promise<Server> | undefined;
    return async (): Promise<Server> => {
      starting ??= start().then((server) => started.adopt(server, (one) => one.stop()));
      return { ...(await starting), stop: async () => undefined };
    };
  };
  const portcullis = lent(() => startPortcullis());
  return {
    portcullis,
    subjects: lent(async () => startSubjects({ few: true, onSqlite: portcullis() })),
    loadGenerator: lent(startLoadGenerator),
    stop: () => started.disposeAsync(),
  };
}
