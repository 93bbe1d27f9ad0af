import type { ClientPosition } from './client-store.ts';
import type { Database } from './database.ts';
import type { ClientApproval as ClientApprovalRow } from './generated/postgresql/client.ts';
import { endTokens, untilRequestsEnd } from './grant-ending.ts';
import { hashToken } from './token-hash.ts';
import { inTransaction } from './transaction.ts';

/** A client that an administrator is asked about. */
export type ClientApproval = { clientId: string; approved: boolean | undefined; createdAt: Date };

/** What administrators decided about clients that name themselves by the URL of a metadata document. */
export type ClientApprovalStore = {
  /** The decision about a client; undefined while there is none. */
  find(clientId: string): Promise<boolean | undefined>;
  /** Puts a client on the list of those to decide about, for as long as it keeps asking. */
  ask(o: { clientId: string; now: Date; forgetAt: Date }): Promise<void>;
  /** Decides, and remembers that for good. Resource servers refuse the tokens of a client that is turned away. */
  decide(o: { clientId: string; approved: boolean; now: Date }): Promise<void>;
  /** A client that is, or was, asked about. */
  findAsked(o: { clientId: string; now: Date }): Promise<ClientApproval | undefined>;
  /** All of them, or those with a decision (null: with none yet), the newest first, of those that come after `after`. */
  list(o: {
    decision?: boolean | null | undefined;
    after?: ClientPosition | undefined;
    limit: number;
    now: Date;
  }): Promise<ClientApproval[]>;
};

/** {@link ClientApprovalStore} over the database. */
export function createClientApprovalStore(database: Database): ClientApprovalStore {
  const { prisma } = database;
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
    decide: ({ clientId, approved, now }) =>
      inTransaction(database, async (within) => {
        const id = hashToken(clientId);
        const decision = { approved, decidedAt: now, expiresAt: null };
        await within.prisma.clientApproval.upsert({
          where: { id },
          create: { id, clientId, createdAt: now, ...decision },
          update: decision,
        });
        if (!approved) await endTokens(within, { grants: { clientId }, issuedUntil: untilRequestsEnd(now), now });
      }),
    findAsked: async ({ clientId, now }) => {
      const row = await prisma.clientApproval.findUnique({ where: { id: hashToken(clientId) } });
      return row && (row.expiresAt === null || row.expiresAt > now) ? toApproval(row) : undefined;
    },
    list: async ({ decision, after, limit, now }) => {
      const rows = await prisma.clientApproval.findMany({
        where: {
          AND: [
            { OR: [{ expiresAt: null }, { expiresAt: { gt: now } }] },
            decision === undefined ? {} : { approved: decision },
            after
              ? {
                  OR: [
                    { createdAt: { lt: after.createdAt } },
                    { createdAt: after.createdAt, clientId: { gt: after.id } },
                  ],
                }
              : {},
          ],
        },
        orderBy: [{ createdAt: 'desc' }, { clientId: 'asc' }],
        take: limit,
      });
      return rows.map(toApproval);
    },
  };
}

function toApproval({ clientId, approved, createdAt }: ClientApprovalRow): ClientApproval {
  return { clientId, approved: approved ?? undefined, createdAt };
}
