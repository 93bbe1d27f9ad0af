import type { Database } from './database.ts';
import { holdsNul } from './nul.ts';

/** Tells whether an administrator registered a client; one that is not there was not. */
export function preRegisteredClients({ prisma }: Database): (clientId: string) => Promise<boolean> {
  return async (clientId) => {
    if (holdsNul(clientId)) return false;
    const client = await prisma.client.findUnique({ where: { id: clientId }, select: { registration: true } });
    return client?.registration === 'manual';
  };
}
