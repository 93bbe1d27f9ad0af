import { randomBytes } from 'node:crypto';
import { StartupError } from '@portcullis/platform';
import { type Database, isUniqueViolation } from './database.ts';
import { createEnvelope } from './envelope.ts';

/** 32 random bytes that all keys of the server are derived from. */
export type MasterKey = Buffer;

const keyBytes = 32;
const onlyRow = 1;
/** What the check is sealed with as associated data. */
export const masterKeyCheckPlace = 'MasterKeyCheck';
const knownText = 'portcullis';

/** Makes a new master key. */
export function createMasterKey(): MasterKey {
  return randomBytes(keyBytes);
}

/** Reads a master key from its text: 43 characters of base64url. Undefined when it is anything else. */
export function parseMasterKey(text: string): MasterKey | undefined {
  const key = Buffer.from(text, 'base64url');
  return key.length === keyBytes && formatMasterKey(key) === text ? key : undefined;
}

/** Writes a master key as text: 43 characters of base64url. */
export function formatMasterKey(key: MasterKey): string {
  return key.toString('base64url');
}

/** Whether the database has been tied to a master key. A new key may be generated beside an empty one only. */
export async function masterKeyState({ prisma }: Database): Promise<'empty' | 'bound'> {
  return (await prisma.masterKeyCheck.count()) === 0 ? 'empty' : 'bound';
}

/**
 * Ties the database to the master key at the first start, and checks the tie at each later one.
 * Of several first starts at once with different keys, one wins.
 *
 * @param keys the master key, and the previous one where something may still be encrypted under it: either may fit
 * @throws {StartupError} when the database is tied to another key
 */
export async function bindMasterKey(
  { prisma }: Database,
  keys: { current: MasterKey; previous?: MasterKey | undefined },
  now: Date,
): Promise<void> {
  const envelope = createEnvelope(keys.current, ...(keys.previous ? [keys.previous] : []));
  const stored = await prisma.masterKeyCheck.findUnique({ where: { id: onlyRow } });
  if (stored) return assertFits(envelope, stored.sealed);
  try {
    await prisma.masterKeyCheck.create({
      data: { id: onlyRow, sealed: envelope.seal(knownText, masterKeyCheckPlace), createdAt: now },
    });
  } catch (error) {
    if (!isUniqueViolation(error)) throw error;
    const winner = await prisma.masterKeyCheck.findUniqueOrThrow({ where: { id: onlyRow } });
    assertFits(envelope, winner.sealed);
  }
}

function assertFits(envelope: ReturnType<typeof createEnvelope>, sealed: string): void {
  try {
    envelope.open(sealed, masterKeyCheckPlace);
  } catch (cause) {
    throw new StartupError(
      'PORTCULLIS_MASTER_KEY does not fit this database: give the key that it was set up with (a new one needs the old one beside it as PORTCULLIS_MASTER_KEY_PREVIOUS), or start with an empty database',
      { cause },
    );
  }
}
