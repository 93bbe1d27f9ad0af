import type { Database } from './database.ts';
import { hashToken } from './token-hash.ts';

/** A client that an administrator is asked about. */
export type ClientApproval = { clientId: string; approved: boolean | undefined; createdAt: Date };

/** What administrators decided about clients that name themselves by the URL of a metadata document. */
export type ClientApprovalStore = {
  /** The decision about a client; undefined while there is none. */
  find(clientId: string): Promise<boolean | undefined>;
  /** Puts a client on the list of those to decide about, for as long as it keeps asking. */
  ask(o: { clientId: string; now: Date; forgetAt: Date }): Promise<void>;
  /** Decides, and remembers that for good. */
  decide(o: { clientId: string; approved: boolean; now: Date }): Promise<void>;
  /** All that were asked about, the newest first, at most `limit`. */
  list(limit: number): Promise<ClientApproval[]>;
};

/** {@link ClientApprovalStore} over the database. */
export function createClientApprovalStore({ prisma }: Database): ClientApprovalStore {
  return {
    find: async (clientId) => {
      const row = await prisma.clientApproval.findUnique({ where: { id: hashToken(clientId) } });
      return row?.approved ?? undefined;
    },
    ask: async ({ clientId, now, forgetAt }) => {
      const id = hashToken(clientId);
      await prisma.clientApproval.upsert({
        where: { id },
        create: { id, clientId, createdAt: now, expiresAt: forgetAt },
        update: { clientId },
      });
      await prisma.clientApproval.updateMany({ where: { id, approved: null }, data: { expiresAt: forgetAt } });
    },
    decide: async ({ clientId, approved, now }) => {
      const id = hashToken(clientId);
      const decision = { approved, decidedAt: now, expiresAt: null };
      await prisma.clientApproval.upsert({
        where: { id },
        create: { id, clientId, createdAt: now, ...decision },
        update: decision,
      });
    },
    list: async (limit) => {
      const rows = await prisma.clientApproval.findMany({ orderBy: { createdAt: 'desc' }, take: limit });
      return rows.map(({ clientId, approved, createdAt }) => ({
        clientId,
        approved: approved ?? undefined,
        createdAt,
      }));
    },
  };
}
