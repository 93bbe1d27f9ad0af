import type { Database } from './database.ts';
import { hashToken } from './token-hash.ts';

/** The versions of clients' metadata documents that users were shown and agreed to. */
export type ClientDocumentVersionStore = {
  /** Keeps a version at least until `until`, and answers its id: the SHA-256 of the body. */
  keep(o: { clientId: string; body: string; until: Date }): Promise<string>;
  /** The body of a version. */
  find(version: string): Promise<string | undefined>;
  /** Notes which version a grant was given on. */
  bind(o: { grantId: string; version: string }): Promise<void>;
  /** The version that a grant was given on. */
  ofGrant(grantId: string): Promise<string | undefined>;
};

/** {@link ClientDocumentVersionStore} over the database. */
export function createClientDocumentVersionStore({ prisma }: Database): ClientDocumentVersionStore {
  return {
    keep: async ({ clientId, body, until }) => {
      const id = hashToken(body);
      await prisma.clientDocumentVersion.upsert({
        where: { id },
        create: { id, clientId, body, expiresAt: until },
        update: { clientId },
      });
      await prisma.clientDocumentVersion.updateMany({
        where: { id, expiresAt: { lt: until } },
        data: { expiresAt: until },
      });
      return id;
    },
    find: async (version) => (await prisma.clientDocumentVersion.findUnique({ where: { id: version } }))?.body,
    bind: async ({ grantId, version }) => {
      await prisma.grant.update({ where: { id: grantId }, data: { documentVersion: version } });
    },
    ofGrant: async (grantId) => {
      const row = await prisma.grant.findUnique({ where: { id: grantId }, select: { documentVersion: true } });
      return row?.documentVersion ?? undefined;
    },
  };
}
