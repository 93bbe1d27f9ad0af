import type { Adapter } from 'oidc-provider';
import { CLIENT_LIFETIMES, secondsAfter } from '../client-lifetimes.ts';
import { createClientRows } from '../client-rows.ts';
import { holdsNul } from '../nul.ts';
import type { AdapterDependencies } from './adapter-dependencies.ts';
import { adapterOf } from './adapter-of.ts';
import { currentSecretHashes, isUsable, metadataColumns, secretColumns, toMetadata } from './client-columns.ts';
import { present } from './payload-form.ts';

/**
 * Registered clients (RFC 7591). The secret is stored as a hash, and that is what `find` returns as `client_secret`.
 * A client that has expired, is disabled or waits for its review is not found.
 */
export function clientsAdapter({ database, prisma, clock, errors, ...rest }: AdapterDependencies): Adapter {
  const { clientRows = createClientRows(database) } = rest;
  return adapterOf('Client', {
    upsert: async (id, payload) => {
      if (holdsNul(id) || JSON.stringify(payload).includes('\\u0000')) {
        throw new errors.InvalidClientMetadata('client metadata must not contain the character U+0000');
      }
      const now = clock();
      const stored = await prisma.client.findUnique({ where: { id } });
      const secret = payload.client_secret ?? null;
      // A client that was read and is saved again brings its hash along: hashing it once more would shut the client out.
      const keepsSecret = stored && secret !== null && secret === currentSecretHashes(stored, now);
      const columns = {
        ...metadataColumns(payload),
        ...(!keepsSecret && secretColumns(secret)),
        updatedAt: now,
      };
      const expiresAt = secondsAfter(now, CLIENT_LIFETIMES.unused);
      await prisma.client.upsert({
        where: { id },
        create: { id, registration: 'dynamic', createdAt: now, expiresAt, ...columns },
        update: columns,
      });
    },
    find: async (id) => {
      if (holdsNul(id)) return undefined;
      const now = clock();
      const client = await clientRows.find(id);
      if (!client || !isUsable(client, now)) return undefined;
      return present({ ...toMetadata(client), client_secret: currentSecretHashes(client, now) });
    },
    destroy: async (id) => {
      await prisma.client.deleteMany({ where: { id } });
    },
  });
}
