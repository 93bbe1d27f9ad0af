import type { Database } from './database.ts';
import type { Resource as ResourceRow } from './generated/postgresql/client.ts';
import { endGrantsAt, endMachineTokensAt } from './resource-removal.ts';
import { RESOURCES } from './statements/lookups.ts';

/** A protected resource that an administrator added. */
export type AddedResource = {
  /** The canonical URL: the audience of its tokens. */
  url: string;
  /** The same for every spelling of the URL that is forgiven. */
  identifier: string;
  name: string;
  scopes: Readonly<Record<string, { description: string; sensitive: boolean }>>;
  defaultScopes: readonly string[];
  /** Which of its scopes each role lets its holder grant. */
  roles: Readonly<Record<string, readonly string[]>>;
  /** What every token for it must be bound to. */
  proofOfPossession?: 'dpop' | 'certificate' | undefined;
  /** The third-party service that its server works with, and what each of its scopes needs there. */
  upstream?: { name: string; scopes: Readonly<Record<string, string[]>> } | undefined;
  createdAt: Date;
};

export type ResourceStore = {
  /**
   * Adds a resource, and ends whatever an earlier one at this URL has left. False when there is one with this
   * identifier. Call it in a transaction.
   */
  add(resource: AddedResource): Promise<boolean>;
  /** The resources with these identifiers; one query. */
  findAll(identifiers: readonly string[]): Promise<AddedResource[]>;
  /** Resources in the order of their URL, of those that come after `after`. */
  list(o?: { after?: string | undefined; limit?: number }): Promise<AddedResource[]>;
  /**
   * Removes a resource, the grants for it with their codes and refresh tokens, and what users had agreed to there; its
   * server refuses the tokens that are out.
   * Undefined when there is no such resource. Call it in a transaction.
   */
  remove(o: { url: string; now: Date }): Promise<{ grants: number } | undefined>;
};

/** The resources that administrators add, beside those of the configuration. */
export function createResourceStore(database: Database): ResourceStore {
  const { prisma, statements } = database;
  return {
    add: async ({ url, identifier, scopes, defaultScopes, roles, proofOfPossession, upstream, ...columns }) => {
      if (await prisma.resource.findUnique({ where: { identifier }, select: { url: true } })) return false;
      await endGrantsAt(database, { resource: url, now: columns.createdAt });
      await prisma.resource.create({
        data: {
          url,
          identifier,
          scopes: JSON.stringify(scopes),
          defaultScopes: JSON.stringify(defaultScopes),
          roles: JSON.stringify(roles),
          proofOfPossession: proofOfPossession ?? null,
          upstream: upstream ? JSON.stringify(upstream) : null,
          ...columns,
        },
      });
      return true;
    },
    findAll: async (identifiers) =>
      (await prisma.resource.findMany({ where: { identifier: { in: [...identifiers] } } })).map(toResource),
    list: async ({ after, limit } = {}) => {
      if (after === undefined && limit === undefined)
        return (await statements.run<ResourceRow>(RESOURCES)).map(toResource);
      const rows = await prisma.resource.findMany({
        where: after === undefined ? {} : { url: { gt: after } },
        orderBy: { url: 'asc' },
        ...(limit !== undefined && { take: limit }),
      });
      return rows.map(toResource);
    },
    remove: async ({ url, now }) => {
      // The resource first: from here on nobody is given a token for it, whatever grants are still there.
      const { count } = await prisma.resource.deleteMany({ where: { url } });
      if (count === 0) return undefined;
      await endMachineTokensAt(database, { resource: url, now });
      return { grants: await endGrantsAt(database, { resource: url, now }) };
    },
  };
}

function toResource({
  scopes,
  defaultScopes,
  roles,
  proofOfPossession,
  upstream,
  ...columns
}: ResourceRow): AddedResource {
  return {
    ...columns,
    proofOfPossession:
      proofOfPossession === 'dpop' || proofOfPossession === 'certificate' ? proofOfPossession : undefined,
    scopes: JSON.parse(scopes),
    defaultScopes: JSON.parse(defaultScopes),
    roles: JSON.parse(roles),
    upstream: upstream === null ? undefined : JSON.parse(upstream),
  };
}
