import type { EgressNetwork } from '@portcullis/authorization-server';
import type { Database } from '@portcullis/persistence';
import type { DocumentOrigin } from '../../../src/index.ts';
import { answerJson } from '../../../src/index.ts';

/** Leads every host to the origin of the test, and trusts its certificate. */
export function networkTo({ port, ca }: DocumentOrigin): EgressNetwork {
  return {
    lookup: async () => [{ address: '127.0.0.1', family: 4 }],
    mayConnectTo: () => true,
    port,
    ca,
  };
}

/** A metadata document that is right in all respects; `changes` spoil it, undefined takes a member away. */
export function documentOf(clientId: string, changes: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    client_id: clientId,
    client_name: 'Ticket helper',
    redirect_uris: ['http://127.0.0.1/callback'],
    token_endpoint_auth_method: 'none',
    grant_types: ['authorization_code', 'refresh_token'],
    ...changes,
  };
}

/** Publishes a client's document. */
export function publish(origin: DocumentOrigin, clientId: string, changes: Record<string, unknown> = {}): void {
  origin.set(clientId, answerJson(documentOf(clientId, changes)));
}

/** What is stored of a document. */
export async function storedDocument({ prisma }: Database, url: string) {
  const row = await prisma.remoteDocument.findFirst({ where: { url } });
  return { body: row?.body ?? undefined, failure: row?.failure ?? undefined };
}

/** Lets time pass for what was fetched, and for nothing else: the engine's own clock stands still in a test. */
export async function ageDocuments({ prisma }: Database, seconds: number): Promise<void> {
  const earlier = (date: Date | null) => date && new Date(date.getTime() - seconds * 1000);
  for (const { id, fetchedAt, freshUntil, nextFetchAt } of await prisma.remoteDocument.findMany()) {
    const data = {
      fetchedAt: earlier(fetchedAt),
      freshUntil: earlier(freshUntil),
      nextFetchAt: earlier(nextFetchAt),
    };
    await prisma.remoteDocument.update({ where: { id }, data });
  }
}
