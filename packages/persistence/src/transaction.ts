import { setTimeout as pause } from 'node:timers/promises';
import type { AuditEvent } from '@portcullis/platform';
import { inSpan } from '@portcullis/platform/watching';
import { type Database, isUniqueViolation, isWriteConflict } from './database.ts';
import type { PrismaClient } from './generated/postgresql/client.ts';
import { createTransactionStatements } from './statements/transaction-statements.ts';

/** How often something is done in all, where others write at the same time: of eight at once each has its turn. */
const ATTEMPTS = 8;

/** The same, where a key is taken: it either belongs to somebody who was first, or stays taken. */
const KEY_ATTEMPTS = 5;

/** How long the third attempt waits, at most; each later one up to twice as long. */
const FIRST_PAUSE_MS = 10;

/**
 * Does several writes as one: all of them or none. Others may write in between, so whatever `work` relies on has to
 * stand in the condition of a write; where two lock each other out, one of them is done over.
 *
 * @param work gets the database to read and write with; it must use no other, and wait for nothing else
 */
export function inOneCommit<T>(database: Database, work: (within: Database) => Promise<T>): Promise<T> {
  return repeated(database, work, {});
}

/**
 * Does several writes as one: all of them or none. What `work` reads stays true until the writes are done, as if
 * nobody else wrote at the same time; where two collide, one of them is done over, seven times at most.
 * Inside a transaction it joins that one.
 *
 * @param work gets the database to read and write with; it must use no other, and wait for nothing else
 */
export function inTransaction<T>(database: Database, work: (within: Database) => Promise<T>): Promise<T> {
  return repeated(database, work, { isolationLevel: 'Serializable' });
}

/**
 * Does one write that is a whole by itself; where two lock each other out, one of them is done over. Inside a transaction it
 * is part of that.
 *
 * @param write makes it, and nothing else
 */
export function inOneWrite<T>({ kind, isTransaction }: Database, write: () => Promise<T>): Promise<T> {
  if (isTransaction) return write();
  return inSpan({ name: 'database transaction', attributes: { 'db.system.name': kind } }, (span) =>
    untilWritten(write, (times) => span.note({ 'portcullis.attempts': times })),
  );
}

function repeated<T>(
  database: Database,
  work: (within: Database) => Promise<T>,
  options: { isolationLevel?: 'Serializable' },
): Promise<T> {
  if (database.isTransaction) return work(database);
  return inSpan({ name: 'database transaction', attributes: { 'db.system.name': database.kind } }, (span) =>
    attempts(database, work, { ...options, onRepeated: (times) => span.note({ 'portcullis.attempts': times }) }),
  );
}

type Attempts = { isolationLevel?: 'Serializable'; onRepeated(times: number): void };

function attempts<T>(
  database: Database,
  work: (within: Database) => Promise<T>,
  { onRepeated, ...options }: Attempts,
): Promise<T> {
  const begunAt = performance.now();
  const elapsedMs = () => performance.now() - begunAt;
  return untilWritten(async () => {
    const recorded: AuditEvent[] = [];
    let announced = false;
    const announce = () => {
      announced = true;
    };
    const revocationSignal = { ...database.revocationSignal, announce };
    const result = await database.prisma.$transaction((client) => {
      // It lacks only what opens, closes and nests; nobody inside asks for these.
      const prisma = client as PrismaClient;
      return work({
        ...database,
        revocationSignal,
        noteRecorded: (event) => recorded.push(event),
        prisma,
        statements: createTransactionStatements({ kind: database.kind, prisma }),
        isTransaction: true,
        elapsedMs,
      });
    }, options);
    if (announced) database.revocationSignal.announce();
    for (const event of recorded) database.noteRecorded(event);
    return result;
  }, onRepeated);
}

async function untilWritten<T>(write: () => Promise<T>, onRepeated: (attempt: number) => void): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    if (attempt > 1) onRepeated(attempt);
    try {
      return await write();
    } catch (cause) {
      if (isWriteConflict(cause) && attempt < ATTEMPTS) await pause(pauseMs(attempt));
      // A key that was free when it was looked for can be taken when it is written: seen again, it is there.
      else if (!isUniqueViolation(cause) || attempt >= KEY_ATTEMPTS) throw cause;
    }
  }
}

/** Two do not collide a second time just because both begin anew at once: from then on chance decides who waits. */
function pauseMs(attempt: number): number {
  return attempt === 1 ? 0 : Math.random() * FIRST_PAUSE_MS * 2 ** (attempt - 2);
}
