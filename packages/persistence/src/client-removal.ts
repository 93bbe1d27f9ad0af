import { CLIENT_LIFETIMES, secondsAfter } from './client-lifetimes.ts';
import type { Database } from './database.ts';
import type { Client, ClientRemoval } from './generated/postgresql/client.ts';

type Removed = Pick<Client, 'id' | 'name' | 'lastUsedAt'>;

/** Remembers that a client was here, so that whoever still uses its id can be told what to do. */
export async function entomb(
  prisma: Database['prisma'],
  { id, name, lastUsedAt }: Removed,
  { removal, now }: { removal: ClientRemoval; now: Date },
): Promise<void> {
  const ttlSeconds = lastUsedAt ? CLIENT_LIFETIMES.rememberedUsed : CLIENT_LIFETIMES.rememberedUnused;
  const columns = { name, removal, removedAt: now, expiresAt: secondsAfter(now, ttlSeconds) };
  await prisma.clientTombstone.upsert({ where: { id }, create: { id, ...columns }, update: columns });
}
