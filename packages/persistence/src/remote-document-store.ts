import { type Database, isUniqueViolation } from './database.ts';
import { hashToken } from './token-hash.ts';

/** What is known about a document on another server. */
export type RemoteDocument = {
  /** The last good answer, as text; undefined when there was none, or it was withdrawn. */
  body?: string;
  fetchedAt?: Date;
  freshUntil?: Date;
  /** Why the last attempt failed; undefined after one that did not. */
  failure?: string;
  /** No attempt before this moment. */
  nextFetchAt?: Date;
  /** Until then somebody is fetching. */
  leaseUntil?: Date;
};

/** Documents that were fetched from other servers, shared by all replicas. */
export type RemoteDocumentStore = {
  find(url: string): Promise<RemoteDocument | undefined>;
  /** The same by the hash of its URL, for whoever was given no more than that. */
  findById(id: string): Promise<RemoteDocument | undefined>;
  /**
   * Takes the right to fetch. Of several at once, on any replica, one gets true; nobody does before `nextFetchAt`, or
   * while what is stored is fresh.
   */
  lease(o: { url: string; now: Date; until: Date }): Promise<boolean>;
  /** Stores an answer and ends the lease. */
  saveBody(o: { url: string; body: string; now: Date; freshUntil: Date; expiresAt: Date }): Promise<void>;
  /** Stores a failure and ends the lease. `withdrawn` forgets the last good answer too. */
  saveFailure(o: {
    url: string;
    failure: string;
    withdrawn: boolean;
    nextFetchAt: Date;
    /** When the row is forgotten, unless it holds an answer that is worth keeping longer. */
    expiresAt: Date;
  }): Promise<void>;
  /** Lets a copy that was fetched long enough ago be fetched anew, however fresh it is. False for any other. */
  expire(o: { url: string; fetchedBefore: Date; now: Date }): Promise<boolean>;
  /** Ends a lease without an outcome. */
  release(url: string): Promise<void>;
};

/** {@link RemoteDocumentStore} over the database. */
export function createRemoteDocumentStore({ prisma }: Database): RemoteDocumentStore {
  const findById: RemoteDocumentStore['findById'] = async (key) => {
    const row = await prisma.remoteDocument.findUnique({ where: { id: key } });
    if (!row) return undefined;
    const { id, url, expiresAt, ...values } = row;
    return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== null));
  };
  return {
    findById,
    find: (url) => findById(hashToken(url)),
    lease: async ({ url, now, until }) => {
      const id = hashToken(url);
      const past = (column: 'leaseUntil' | 'nextFetchAt' | 'freshUntil') => ({
        OR: [{ [column]: null }, { [column]: { lte: now } }],
      });
      const taken = await prisma.remoteDocument.updateMany({
        where: { id, AND: [past('leaseUntil'), past('nextFetchAt'), past('freshUntil')] },
        data: { leaseUntil: until },
      });
      if (taken.count === 1) return true;
      try {
        await prisma.remoteDocument.create({ data: { id, url, leaseUntil: until, expiresAt: until } });
        return true;
      } catch (error) {
        if (isUniqueViolation(error)) return false;
        throw error;
      }
    },
    saveBody: async ({ url, body, now, freshUntil, expiresAt }) => {
      const id = hashToken(url);
      const columns = {
        body,
        fetchedAt: now,
        freshUntil,
        failure: null,
        nextFetchAt: null,
        leaseUntil: null,
        expiresAt,
      };
      await prisma.remoteDocument.upsert({ where: { id }, create: { id, url, ...columns }, update: columns });
    },
    saveFailure: async ({ url, failure, withdrawn, nextFetchAt, expiresAt }) => {
      const id = hashToken(url);
      const columns = { failure, nextFetchAt, leaseUntil: null };
      const nothing = { body: null, fetchedAt: null, freshUntil: null };
      await prisma.remoteDocument.upsert({
        where: { id },
        create: { id, url, ...columns, expiresAt },
        update: { ...columns, ...(withdrawn && { ...nothing, expiresAt }) },
      });
      // A row that never had a body was created by the lease, and lives no longer than it.
      await prisma.remoteDocument.updateMany({ where: { id, expiresAt: { lt: expiresAt } }, data: { expiresAt } });
    },
    expire: async ({ url, fetchedBefore, now }) => {
      const { count } = await prisma.remoteDocument.updateMany({
        where: { id: hashToken(url), fetchedAt: { lte: fetchedBefore } },
        data: { freshUntil: now },
      });
      return count > 0;
    },
    release: async (url) => {
      await prisma.remoteDocument.updateMany({ where: { id: hashToken(url) }, data: { leaseUntil: null } });
    },
  };
}
