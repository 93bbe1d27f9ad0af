import type { Database } from './database.ts';

/** Tells whether an administrator registered a client; one that is not there was not. */
export function preRegisteredClients({ prisma }: Database): (clientId: string) => Promise<boolean> {
  return async (clientId) => {
    if (clientId.includes('\0')) return false;
    const client = await prisma.client.findUnique({ where: { id: clientId }, select: { registration: true } });
    return client?.registration === 'manual';
  };
}
