import { type Database, isUniqueViolation } from './database.ts';
import { hashToken } from './token-hash.ts';

/** An identifier that may be used once, and the moment from which nobody can use it again anyway. */
export type UsedIdentifier = { identifier: string; until: Date; now: Date };

/**
 * Uses an identifier up. Of several at once, on all replicas, one does: writing is an insert that fails for the others.
 *
 * @returns false when it was used before
 */
export async function useIdentifier(
  { prisma }: Pick<Database, 'prisma'>,
  { identifier, until: expiresAt, now }: UsedIdentifier,
): Promise<boolean> {
  const id = hashToken(identifier);
  try {
    await prisma.replayedIdentifier.create({ data: { id, expiresAt } });
    return true;
  } catch (error) {
    if (!isUniqueViolation(error)) throw error;
    const taken = await prisma.replayedIdentifier.updateMany({
      where: { id, expiresAt: { lte: now } },
      data: { expiresAt },
    });
    return taken.count > 0;
  }
}
