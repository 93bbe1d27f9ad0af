import type { Database } from '@portcullis/persistence';
import type { Clock } from '@portcullis/platform';
import type { KeyRing } from '../keys/key-ring.ts';

/** What the server cannot do without. */
export type ReadinessDeps = {
  database: Pick<Database, 'isMigrated'>;
  keyRing: Pick<KeyRing, 'current'>;
  clock: Clock;
  /** How long the database may take to answer; 3,000 ms by default. */
  timeoutMs?: number;
};

/**
 * Resolves when the server can do its task: the database answers in time and has all tables that this version needs, and
 * there is a key that signs now.
 *
 * @throws what is wrong, for nobody outside
 */
export async function assertReady({ database, keyRing, clock, timeoutMs = 3000 }: ReadinessDeps): Promise<void> {
  keyRing.current().signing(clock());
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error('the database does not answer in time')), timeoutMs);
  });
  try {
    if (!(await Promise.race([database.isMigrated(), late]))) throw new Error('the database lacks a migration');
  } finally {
    clearTimeout(timer);
  }
}
