import { createTestDatabase } from '@portcullis/test-database';
import { type Database, openDatabase } from '../../src/database.ts';

/** A migrated database of the project's kind, and how many more connections to it are wanted. */
export type OpenTestDatabase = { url: string; db: Database; another(): Promise<Database>; drop(): Promise<void> };

export async function openTestDatabase(): Promise<OpenTestDatabase> {
  const { url, drop } = await createTestDatabase();
  const opened = [await openDatabase({ url })];
  const another = async () => {
    const db = await openDatabase({ url });
    opened.push(db);
    return db;
  };
  const [db] = opened as [Database];
  return {
    url,
    db,
    another,
    drop: async () => {
      for (const database of opened) await database.close();
      await drop();
    },
  };
}

/** Opens the connections that a race needs: while they are being opened, those who race come one after another. */
export async function warmUp(...databases: readonly Database[]): Promise<void> {
  await Promise.all(databases.flatMap((db) => Array.from({ length: 4 }, () => db.ready())));
}

/** The outcome of so many calls that start at once. */
export function atOnce<T>(count: number, act: (index: number) => Promise<T>): Promise<PromiseSettledResult<T>[]> {
  return Promise.allSettled(Array.from({ length: count }, (_, index) => act(index)));
}

/** How many of them were fulfilled. */
export function fulfilled(results: readonly PromiseSettledResult<unknown>[]): number {
  return results.filter(({ status }) => status === 'fulfilled').length;
}
