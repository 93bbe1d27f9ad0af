import type { Adapter, AdapterPayload } from 'oidc-provider';
import type { Client } from '../generated/postgresql/client.ts';
import { hashClientSecret } from '../token-hash.ts';
import type { AdapterDependencies } from './adapter-dependencies.ts';
import { adapterOf } from './adapter-of.ts';
import { jsonOrNull, parseOptional, parsePayload, present } from './payload-form.ts';

const dayMs = 24 * 60 * 60 * 1000;
const hourMs = 60 * 60 * 1000;

/** How long a client that registered itself stays after its last use. */
const dynamicClientLifetimeMs = 90 * dayMs;

/**
 * Registered clients (RFC 7591). The secret is stored as a hash, and that is what `find` returns as `client_secret`.
 * A client that has expired or is disabled is not found.
 */
export function clientsAdapter({ prisma, clock, errors }: AdapterDependencies): Adapter {
  return adapterOf('Client', {
    upsert: async (id, payload) => {
      if (hasNul(id) || JSON.stringify(payload).includes('\\u0000')) {
        throw new errors.InvalidClientMetadata('client metadata must not contain the character U+0000');
      }
      const now = clock();
      const stored = await prisma.client.findUnique({ where: { id }, select: { secretHash: true } });
      const columns = { ...toColumns(payload, stored?.secretHash ?? null), updatedAt: now };
      await prisma.client.upsert({
        where: { id },
        create: {
          id,
          registration: 'dynamic',
          createdAt: now,
          expiresAt: new Date(now.getTime() + dynamicClientLifetimeMs),
          ...columns,
        },
        update: columns,
      });
    },
    find: async (id) => {
      if (hasNul(id)) return undefined;
      const now = clock();
      const client = await prisma.client.findUnique({ where: { id } });
      if (!client || !isUsable(client, now)) return undefined;
      if (isUseWorthNoting(client, now)) await noteUse(prisma, client, now);
      return toPayload(client);
    },
    destroy: async (id) => {
      await prisma.client.deleteMany({ where: { id } });
    },
  });
}

/** PostgreSQL refuses U+0000 in text, and no identifier of ours has it. */
function hasNul(id: string): boolean {
  return id.includes('\0');
}

function isUsable(client: Client, now: Date): boolean {
  return client.disabledAt === null && (client.expiresAt === null || client.expiresAt > now);
}

/** A client is looked up at each request; its last use is written at most once an hour. */
function isUseWorthNoting({ lastUsedAt }: Client, now: Date): boolean {
  return lastUsedAt === null || now.getTime() - lastUsedAt.getTime() >= hourMs;
}

async function noteUse(prisma: AdapterDependencies['prisma'], { id, registration }: Client, now: Date): Promise<void> {
  const expiry = registration === 'dynamic' ? { expiresAt: new Date(now.getTime() + dynamicClientLifetimeMs) } : {};
  await prisma.client.updateMany({
    where: { id, OR: [{ lastUsedAt: null }, { lastUsedAt: { lte: new Date(now.getTime() - hourMs) } }] },
    data: { lastUsedAt: now, ...expiry },
  });
}

function toColumns(payload: AdapterPayload, storedSecretHash: string | null) {
  const {
    client_id,
    client_secret,
    client_name,
    application_type,
    token_endpoint_auth_method,
    redirect_uris,
    grant_types,
    ...rest
  } = payload;
  return {
    name: client_name ?? null,
    applicationType: application_type ?? null,
    tokenEndpointAuthMethod: token_endpoint_auth_method ?? null,
    redirectUris: jsonOrNull(redirect_uris),
    grantTypes: jsonOrNull(grant_types),
    secretHash: secretHashOf(client_secret, storedSecretHash),
    metadata: JSON.stringify(rest),
  };
}

/** A client that was read and is saved again brings its hash along: hashing it once more would shut the client out. */
function secretHashOf(secret: string | undefined, storedHash: string | null): string | null {
  if (secret === undefined) return null;
  return secret === storedHash ? storedHash : hashClientSecret(secret);
}

function toPayload(client: Client): AdapterPayload {
  return present({
    ...parsePayload(client.metadata),
    client_id: client.id,
    client_secret: client.secretHash ?? undefined,
    client_name: client.name ?? undefined,
    application_type:
      client.applicationType === 'native' ? 'native' : client.applicationType === 'web' ? 'web' : undefined,
    token_endpoint_auth_method: client.tokenEndpointAuthMethod ?? undefined,
    redirect_uris: parseOptional<string[]>(client.redirectUris),
    grant_types: parseOptional<string[]>(client.grantTypes),
  } as AdapterPayload);
}
