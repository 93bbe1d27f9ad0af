import type { AdapterPayload } from 'oidc-provider';
import { CLIENT_LIFETIMES, secondsAfter } from './client-lifetimes.ts';
import { entomb } from './client-removal.ts';
import { type ClientRows, createClientRows } from './client-rows.ts';
import type { Database } from './database.ts';
import {
  currentSecretHashes,
  isLive,
  metadataColumns,
  secretColumns,
  toMetadata,
} from './engine-adapter/client-columns.ts';
import { jsonOrNull, parseOptional } from './engine-adapter/payload-form.ts';
import type { Client as ClientRow, Prisma } from './generated/postgresql/client.ts';
import { endGrants, endTokens, endTokensSoFar, machineRevocations, untilRequestsEnd } from './grant-ending.ts';
import { holdsNul } from './nul.ts';
import { recordRevocations } from './revocation-log.ts';
import { NOTE_CLIENT_USE, newClientValues, STORE_SHARED_CLIENT } from './statements/clients.ts';
import { CLIENT_BY_REUSE_KEY } from './statements/lookups.ts';
import { clientSecretMatches, hashToken } from './token-hash.ts';
import { inTransaction } from './transaction.ts';

/** Metadata by the names of RFC 7591, section 2; `client_id` among it. */
export type ClientMetadata = AdapterPayload;

/** Only an active client can be used. */
export type ClientState = 'active' | 'pending' | 'rejected' | 'disabled';

/** What an administrator says about a client beside its metadata. Undefined limits nothing. */
export type ClientPermissions = {
  /** First-party clients need no warning about who made them. */
  firstParty: boolean;
  allowedScopes: string[] | undefined;
  allowedResources: string[] | undefined;
};

/** A client as administrators see it. */
export type RegisteredClient = ClientPermissions & {
  id: string;
  /** `dynamic` for one that registered itself. */
  registration: 'dynamic' | 'manual';
  state: ClientState;
  /** The canonical URL of the resource that the client is the server of; undefined for a client that is none. */
  resourceServer: string | undefined;
  /** Without the secret. */
  metadata: ClientMetadata;
  createdAt: Date;
  updatedAt: Date;
  /** When it last led to a code or a token. */
  lastUsedAt: Date | undefined;
  /** When it is removed unless it is used; undefined for one that stays. */
  expiresAt: Date | undefined;
};

/** What is stored of a new client. */
export type NewClient = {
  /** With `client_id`; without the secret. */
  metadata: ClientMetadata;
  registration: 'dynamic' | 'manual';
  /** In clear; only its hash is stored. */
  secret?: string | undefined;
  /** Whether an administrator has to approve it first. */
  underReview?: boolean;
  /** The registration access token (RFC 7592), in clear; only its hash is stored. */
  managementToken?: string | undefined;
  /** Another registration with the same key is this one, as long as that one lives. */
  reuseKey?: string | undefined;
  permissions?: Partial<ClientPermissions>;
  /** The canonical URL of the resource that the client is the server of: of one resource there is one such client. */
  resourceServer?: string | undefined;
  now: Date;
};

/** What changes; what is left out stays. */
export type ClientChange = {
  id: string;
  /** Replaces the metadata as a whole. */
  metadata?: ClientMetadata;
  /** A new secret in clear, or null for none from now on. */
  secret?: string | null | undefined;
  permissions?: Partial<ClientPermissions>;
  now: Date;
};

/** The place of a client in the list: the newest come first. */
export type ClientPosition = { createdAt: Date; id: string };

/** Why a client cannot be used, as far as that is known. */
export type ClientStanding =
  | { state: 'active' | 'unknown' }
  | { state: 'pending' | 'rejected' | 'disabled' | 'expired' | 'deleted'; name: string | undefined };

export type ClientStore = {
  /** Stores a client, unless there is one with the same reuse key; of several at once one is stored. */
  register(client: NewClient): Promise<{ client: RegisteredClient; reused: boolean }>;
  /** The living client with this reuse key, in any state; one that was never used lives a day from now. */
  reuse(o: { reuseKey: string; now: Date }): Promise<RegisteredClient | undefined>;
  /** A client in any state. */
  find(o: { id: string; now: Date }): Promise<RegisteredClient | undefined>;
  /** The client that is the server of the resource with this canonical URL, in any state. */
  findResourceServer(o: { url: string; now: Date }): Promise<RegisteredClient | undefined>;
  /** The client whose registration access token this is, in any state (RFC 7592). */
  findManaged(o: { id: string; managementToken: string; now: Date }): Promise<RegisteredClient | undefined>;
  /** Clients in `state`, or in any, the newest first, of those that come after `after`. */
  list(o: {
    state?: ClientState | undefined;
    after?: ClientPosition | undefined;
    limit: number;
    now: Date;
  }): Promise<RegisteredClient[]>;
  /**
   * Changes a client. Where it may name less than before, resource servers refuse the tokens that it has. False when
   * there is none.
   */
  update(change: ClientChange): Promise<boolean>;
  /**
   * A client changes itself, and gets another registration access token in the same step: of several at once with
   * one token one succeeds. `underReview` makes it wait for an administrator, unless one has turned it away.
   */
  updateManaged(
    change: ClientChange & { managementToken: string; nextManagementToken: string; underReview: boolean },
  ): Promise<boolean>;
  /** Whether the secret is one that the client may use now. */
  holdsSecret(o: { id: string; secret: string; now: Date }): Promise<boolean>;
  /** Gives a client a new secret; the one before is good for `overlapSeconds` more. False when there is no client. */
  rotateSecret(o: { id: string; secret: string; overlapSeconds: number; now: Date }): Promise<boolean>;
  /** Lets a client in that waits, or was turned away. False for any other. */
  approve(o: { id: string; now: Date }): Promise<boolean>;
  /** Turns a client away that waits. False for any other. */
  reject(o: { id: string; now: Date }): Promise<boolean>;
  /** Disables a client, and has resource servers refuse its tokens; or enables it. False when there is none. */
  setDisabled(o: { id: string; disabled: boolean; now: Date }): Promise<boolean>;
  /** Removes a client with its grants; its id stays known for a while. Undefined when there is none. */
  delete(o: { id: string; now: Date }): Promise<{ grants: number } | undefined>;
  /** Notes that a client led to a code or a token, at most once an hour; a dynamic one lives 90 days from then. */
  noteUse(o: { id: string; now: Date }): Promise<void>;
  /** What became of a client. */
  standing(o: { id: string; now: Date }): Promise<ClientStanding>;
};

const hourSeconds = 60 * 60;

/** Clients, for administrators and for registration; the engine sees them through its adapter. */
export function createClientStore(database: Database, rows: ClientRows = createClientRows(database)): ClientStore {
  const { prisma } = database;
  const changeWhere = async (where: Prisma.ClientWhereInput, data: Prisma.ClientUpdateManyMutationInput) =>
    (await prisma.client.updateMany({ where, data })).count > 0;
  const findRow = async (id: string, now: Date): Promise<ClientRow | undefined> => {
    if (holdsNul(id)) return undefined;
    const row = await rows.find(id);
    return row && isLive(row, now) ? row : undefined;
  };

  /** The living client with this key; one that has expired makes room. */
  const findReusable = async (reuseKey: string, now: Date): Promise<ClientRow | undefined> => {
    const [row] = await database.statements.run<ClientRow>(CLIENT_BY_REUSE_KEY, reuseKey);
    if (!row) return undefined;
    if (!isLive(row, now)) {
      await changeWhere({ id: row.id, reuseKey }, { reuseKey: null });
      return undefined;
    }
    const expiresAt = secondsAfter(now, CLIENT_LIFETIMES.unused);
    const soon = secondsAfter(now, CLIENT_LIFETIMES.unused - hourSeconds);
    if (row.expiresAt === null || row.expiresAt > soon) return row;
    await changeWhere({ id: row.id, expiresAt: { lte: soon } }, { expiresAt });
    return { ...row, expiresAt };
  };

  const register: ClientStore['register'] = async (client) => {
    const { reuseKey, now } = client;
    const row = newRow(client);
    if (reuseKey === undefined) return { client: toClient(await prisma.client.create({ data: row })), reused: false };
    const [stored] = await database.statements.run<ClientRow>(STORE_SHARED_CLIENT, ...newClientValues(row));
    if (stored) return { client: toClient(stored), reused: false };
    const existing = await findReusable(reuseKey, now);
    // Where there is none any more, the one that was in the way has made room.
    return existing ? { client: toClient(existing), reused: true } : register(client);
  };

  return {
    register,
    reuse: async ({ reuseKey, now }) => optionalClient(await findReusable(reuseKey, now)),
    find: async ({ id, now }) => optionalClient(await findRow(id, now)),
    findResourceServer: async ({ url, now }) => {
      if (holdsNul(url)) return undefined;
      const row = await prisma.client.findUnique({ where: { resourceServer: url } });
      return optionalClient(row && isLive(row, now) ? row : undefined);
    },
    findManaged: async ({ id, managementToken, now }) => {
      const row = await findRow(id, now);
      return row?.managementTokenHash === hashToken(managementToken) ? toClient(row) : undefined;
    },
    list: async ({ state, after, limit, now }) => {
      const rows = await prisma.client.findMany({
        where: {
          AND: [
            { OR: [{ expiresAt: null }, { expiresAt: { gt: now } }] },
            state === undefined ? {} : inState(state),
            after
              ? { OR: [{ createdAt: { lt: after.createdAt } }, { createdAt: after.createdAt, id: { gt: after.id } }] }
              : {},
          ],
        },
        orderBy: [{ createdAt: 'desc' }, { id: 'asc' }],
        take: limit,
      });
      return rows.map(toClient);
    },
    update: ({ id, ...change }) =>
      inTransaction(database, async (within) => {
        const before = await within.prisma.client.findUnique({ where: { id } });
        if (!before) return false;
        const after = await within.prisma.client.update({ where: { id }, data: changedColumns(change) });
        if (isLimited(before, after)) await endTokensUnder(within, before, change.now);
        return true;
      }),
    updateManaged: async ({ id, managementToken, nextManagementToken, underReview, ...change }) => {
      const where = { id, managementTokenHash: hashToken(managementToken) };
      const columns = { ...changedColumns(change), managementTokenHash: hashToken(nextManagementToken) };
      if (underReview) {
        // The state is judged by the statement that changes it: an approval may be under way.
        const isOpen = { review: { in: ['approved' as const, 'pending' as const] } };
        if (await changeWhere({ ...where, ...isOpen }, { ...columns, review: 'pending' })) return true;
      }
      return changeWhere(underReview ? { ...where, review: 'rejected' } : where, columns);
    },
    holdsSecret: async ({ id, secret, now }) => {
      const row = await findRow(id, now);
      const hashes = row && currentSecretHashes(row, now);
      return hashes !== undefined && clientSecretMatches(hashes, secret);
    },
    rotateSecret: async ({ id, secret, overlapSeconds, now }) => {
      const row = await findRow(id, now);
      if (!row) return false;
      return changeWhere(
        { id, secretHash: row.secretHash },
        {
          ...secretColumns(secret),
          ...(overlapSeconds > 0 && {
            previousSecretHash: row.secretHash,
            previousSecretExpiresAt: secondsAfter(now, overlapSeconds),
          }),
          updatedAt: now,
        },
      );
    },
    approve: ({ id, now }) =>
      changeWhere(
        { id, review: { in: ['pending', 'rejected'] } },
        { review: 'approved', expiresAt: secondsAfter(now, CLIENT_LIFETIMES.underReview), updatedAt: now },
      ),
    reject: ({ id, now }) =>
      inTransaction(database, async (within) => {
        const { count } = await within.prisma.client.updateMany({
          where: { id, review: 'pending' },
          data: { review: 'rejected', expiresAt: secondsAfter(now, CLIENT_LIFETIMES.used), updatedAt: now },
        });
        // One that changed itself waits for review with the tokens that it had before.
        if (count > 0) await endTokensOf(within, { id, now });
        return count > 0;
      }),
    setDisabled: ({ id, disabled, now }) =>
      inTransaction(database, async (within) => {
        const { count } = await within.prisma.client.updateMany({
          where: { id },
          data: { disabledAt: disabled ? now : null, updatedAt: now },
        });
        if (count > 0 && disabled) await endTokensOf(within, { id, now });
        return count > 0;
      }),
    delete: ({ id, now }) =>
      inTransaction(database, async (within) => {
        const row = holdsNul(id) ? null : await within.prisma.client.findUnique({ where: { id } });
        if (!row || !isLive(row, now)) return undefined;
        await entomb(within.prisma, row, { removal: 'deleted', now });
        await within.prisma.client.deleteMany({ where: { id } });
        await recordRevocations(within, { revocations: machineRevocations(row, undefined), now });
        return { grants: await endGrants(within, { grants: { clientId: id }, now }) };
      }),
    noteUse: async ({ id, now }) => {
      const row = await findRow(id, now);
      const due = secondsAfter(now, -hourSeconds);
      if (!row || (row.lastUsedAt !== null && row.lastUsedAt > due)) return;
      const expiresAt = row.registration === 'dynamic' ? secondsAfter(now, CLIENT_LIFETIMES.used) : null;
      await database.statements.run(NOTE_CLIENT_USE, id, due, now, expiresAt);
    },
    standing: async ({ id, now }) => {
      if (holdsNul(id)) return { state: 'unknown' };
      const row = await rows.find(id);
      if (row) return isLive(row, now) ? standingOf(row) : { state: 'expired', name: row.name ?? undefined };
      const tombstone = await prisma.clientTombstone.findUnique({ where: { id } });
      if (!tombstone || tombstone.expiresAt <= now) return { state: 'unknown' };
      return { state: tombstone.removal, name: tombstone.name ?? undefined };
    },
  };
}

/** Has resource servers refuse the tokens that a client has; later ones are good, should it be enabled again. */
async function endTokensOf(within: Database, { id, now }: { id: string; now: Date }): Promise<void> {
  const issuedUntil = untilRequestsEnd(now);
  await endTokens(within, { grants: { clientId: id }, issuedUntil, now });
  const row = await within.prisma.client.findUniqueOrThrow({ where: { id } });
  await recordRevocations(within, { revocations: machineRevocations(row, issuedUntil), now });
}

/** Whether a client may name less than before. */
function isLimited(before: ClientRow, after: ClientRow): boolean {
  return (['allowedScopes', 'allowedResources'] as const).some((list) => {
    const [was, is] = [parseOptional<string[]>(before[list]), parseOptional<string[]>(after[list])];
    return is !== undefined && (was === undefined || was.some((one) => !is.includes(one)));
  });
}

/** Has resource servers refuse the tokens that a client has under permissions that it has no more. */
async function endTokensUnder(within: Database, before: ClientRow, now: Date): Promise<void> {
  await endTokensSoFar(within, { grants: { clientId: before.id }, now });
  const issuedUntil = untilRequestsEnd(new Date(now.getTime() + within.elapsedMs()));
  await recordRevocations(within, { revocations: machineRevocations(before, issuedUntil), now });
}

/** What nobody has said of a client. */
const NO_PERMISSIONS = { firstParty: false, allowedScopes: null, allowedResources: null };

function newRow({
  metadata,
  registration,
  secret,
  underReview,
  managementToken,
  reuseKey,
  permissions,
  resourceServer,
  now,
}: NewClient) {
  const id = metadata.client_id;
  if (id === undefined) throw new TypeError('a client needs a client_id');
  const ttlSeconds = underReview ? CLIENT_LIFETIMES.underReview : CLIENT_LIFETIMES.unused;
  return {
    id,
    registration,
    ...metadataColumns(metadata),
    ...secretColumns(secret ?? null),
    ...NO_PERMISSIONS,
    ...permissionColumns(permissions ?? {}),
    managementTokenHash: managementToken === undefined ? null : hashToken(managementToken),
    reuseKey: reuseKey ?? null,
    resourceServer: resourceServer ?? null,
    review: underReview ? ('pending' as const) : ('approved' as const),
    createdAt: now,
    updatedAt: now,
    expiresAt: registration === 'manual' ? null : secondsAfter(now, ttlSeconds),
  };
}

function changedColumns({ metadata, secret, permissions, now }: Omit<ClientChange, 'id'>) {
  return {
    ...(metadata && metadataColumns(metadata)),
    ...(secret !== undefined && secretColumns(secret)),
    ...permissionColumns(permissions ?? {}),
    updatedAt: now,
  };
}

function permissionColumns(permissions: Partial<ClientPermissions>) {
  return {
    ...(permissions.firstParty !== undefined && { firstParty: permissions.firstParty }),
    ...('allowedScopes' in permissions && { allowedScopes: jsonOrNull(permissions.allowedScopes) }),
    ...('allowedResources' in permissions && { allowedResources: jsonOrNull(permissions.allowedResources) }),
  };
}

function inState(state: ClientState): Prisma.ClientWhereInput {
  if (state === 'disabled') return { disabledAt: { not: null } };
  return { disabledAt: null, review: state === 'active' ? 'approved' : state };
}

function stateOf({ disabledAt, review }: ClientRow): ClientState {
  if (disabledAt !== null) return 'disabled';
  return review === 'approved' ? 'active' : review;
}

function standingOf(row: ClientRow): ClientStanding {
  const state = stateOf(row);
  return state === 'active' ? { state } : { state, name: row.name ?? undefined };
}

function toClient(row: ClientRow): RegisteredClient {
  return {
    id: row.id,
    registration: row.registration,
    state: stateOf(row),
    resourceServer: row.resourceServer ?? undefined,
    metadata: toMetadata(row),
    firstParty: row.firstParty,
    allowedScopes: parseOptional<string[]>(row.allowedScopes),
    allowedResources: parseOptional<string[]>(row.allowedResources),
    createdAt: row.createdAt,
    updatedAt: row.updatedAt,
    lastUsedAt: row.lastUsedAt ?? undefined,
    expiresAt: row.expiresAt ?? undefined,
  };
}

function optionalClient(row: ClientRow | undefined): RegisteredClient | undefined {
  return row && toClient(row);
}
