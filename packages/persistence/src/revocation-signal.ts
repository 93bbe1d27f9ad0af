import pg from 'pg';

/** Hints that there may be new revocations. A hint can be lost; who waits for revocations also looks by itself. */
export type RevocationSignal = {
  /** Called once a transaction with revocations has committed. */
  announce(): void;
  /** Calls `listener` at each hint, from this process or another one, until the result is called. */
  subscribe(listener: () => void): () => void;
  /** Ends all subscriptions. */
  close(): Promise<void>;
};

/** The channel of PostgreSQL's NOTIFY. */
export const REVOCATION_CHANNEL = 'portcullis_revocation';

/** A signal within this process: all that SQLite needs, on which one process works. */
export function createLocalSignal(): RevocationSignal {
  const listeners = new Set<() => void>();
  return {
    announce() {
      for (const listener of listeners) listener();
    },
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    async close() {
      listeners.clear();
    },
  };
}

const RECONNECT_MS = 1000;

/** A signal from all processes on one PostgreSQL database. It listens on a connection of its own, while somebody waits. */
export function createPostgresqlSignal(url: string): RevocationSignal {
  const local = createLocalSignal();
  let subscribers = 0;
  let connection: { end(): Promise<void> } | undefined;
  return {
    announce: () => local.announce(),
    subscribe(listener) {
      const unsubscribe = local.subscribe(listener);
      subscribers += 1;
      connection ??= keepListening(url, () => local.announce());
      let subscribed = true;
      return () => {
        if (!subscribed) return;
        subscribed = false;
        unsubscribe();
        subscribers -= 1;
        if (subscribers > 0) return;
        void connection?.end();
        connection = undefined;
      };
    },
    async close() {
      await local.close();
      await connection?.end();
      connection = undefined;
    },
  };
}

function keepListening(url: string, onHint: () => void): { end(): Promise<void> } {
  let ended = false;
  let client: pg.Client | undefined;
  let timer: NodeJS.Timeout | undefined;

  const again = () => {
    if (!ended) timer = setTimeout(() => void listen(), RECONNECT_MS);
  };

  async function listen(): Promise<void> {
    const attempt = new pg.Client({ connectionString: url, keepAlive: true, connectionTimeoutMillis: 5000 });
    client = attempt;
    // Told of a connection that breaks, also one that was never made; the attempt below fails by itself.
    attempt.on('error', () => {});
    attempt.on('notification', onHint);
    try {
      await attempt.connect();
      attempt.once('end', again);
      await attempt.query(`LISTEN ${REVOCATION_CHANNEL}`);
      // What was announced before we listened.
      onHint();
    } catch {
      attempt.removeListener('end', again);
      await attempt.end().catch(() => undefined);
      again();
    }
  }

  const first = listen();
  return {
    async end() {
      ended = true;
      clearTimeout(timer);
      await first;
      await client?.end().catch(() => undefined);
    },
  };
}
