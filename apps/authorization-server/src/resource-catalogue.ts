import { type AddedResource, createResourceStore, type Database } from '@portcullis/persistence';
import { resourceIdentifier } from './resource-url.ts';
import { findResource, type Resource } from './resources.ts';
import type { Upstream } from './upstream/upstream.ts';
import { accumulationProblems, upstreamUseProblems } from './upstream/upstream-use.ts';

/**
 * The resources that there are at this moment. Those that administrators add are looked up at each need: what one
 * replica adds or removes holds on all of them at once.
 */
export type ResourceCatalogue = {
  /** What a request without `resource` gets. */
  standard: Resource;
  /** Whether a canonical URL is open only to clients that were given it by name. */
  isReserved(url: string): boolean;
  /** The resource that an identifier means. */
  find(identifier: string): Promise<Resource | undefined>;
  /** The resources that several identifiers mean; one query at most. */
  findAll(identifiers: readonly string[]): Promise<Resource[]>;
  /** All of them, the reserved ones too: fixed ones first. */
  list(): Promise<Resource[]>;
};

/** Resources that no command adds or removes: those of the configuration, the standard one first, and our own. */
export type FixedResources = readonly [Resource, ...Resource[]];

/**
 * The catalogue over a database. A resource of the configuration hides one that was added under the same URL. One that
 * was added works with its upstream only while that fits `upstreams`: the configuration may have changed since.
 */
export function createResourceCatalogue(
  fixed: FixedResources,
  database: Database,
  upstreams: readonly Upstream[] = [],
): ResourceCatalogue {
  const toResource = (added: AddedResource) => withFittingUpstream(added, { fixed, upstreams });
  const store = createResourceStore(database);
  const findAll = async (identifiers: readonly string[]) => {
    const isFixed = (identifier: string) => findResource(fixed, identifier) !== undefined;
    const wanted = identifiers.filter((identifier) => !isFixed(identifier)).map(resourceIdentifier);
    const added = wanted.filter((identifier) => identifier !== undefined);
    return [
      ...fixed.filter((resource) => identifiers.some((identifier) => findResource([resource], identifier))),
      ...(added.length > 0 ? (await store.findAll(added)).map(toResource) : []),
    ];
  };
  return {
    standard: fixed[0],
    isReserved: (url) => fixed.some((resource) => resource.reserved && resource.url === url),
    find: async (identifier) => (await findAll([identifier]))[0],
    findAll,
    list: async () => {
      const added = (await store.list()).map(toResource);
      return [...fixed, ...added.filter(({ url }) => !findResource(fixed, url))];
    },
  };
}

/** Why the upstream of a resource that was added does not fit the configuration, in words; none where it does. */
export function addedUpstreamProblems(
  { upstream, scopes }: Pick<AddedResource, 'upstream' | 'scopes'>,
  { fixed, upstreams }: { fixed: readonly Pick<Resource, 'upstream'>[]; upstreams: readonly Upstream[] },
): { field: string; problem: string }[] {
  if (!upstream) return [];
  const own = upstreamUseProblems(upstream, { scopes, upstreams }).map(([path, problem]) => ({
    field: ['upstream', ...path].join('.'),
    problem,
  }));
  const uses = [...fixed.flatMap((one) => one.upstream ?? []), upstream];
  const shared = accumulationProblems(upstreams, uses).filter(({ key }) => key === upstream.name);
  return [
    ...own,
    ...shared.map(({ message }) => ({ field: 'upstream.scopes', problem: `${upstream.name} ${message}` })),
  ];
}

/** Resources that were added and whose upstream does not fit the configuration any more, with the reasons. */
export async function unfittingResources(
  fixed: FixedResources,
  database: Database,
  upstreams: readonly Upstream[],
): Promise<{ url: string; problems: string[] }[]> {
  const added = await createResourceStore(database).list();
  const judged = added.map((one) => ({ url: one.url, found: addedUpstreamProblems(one, { fixed, upstreams }) }));
  return judged
    .filter(({ found }) => found.length > 0)
    .map(({ url, found }) => ({ url, problems: found.map(({ field, problem }) => `${field} ${problem}`) }));
}

function withFittingUpstream(
  added: AddedResource,
  configured: { fixed: FixedResources; upstreams: readonly Upstream[] },
): Resource {
  const { url, name, scopes, defaultScopes, roles, proofOfPossession } = added;
  const upstream = addedUpstreamProblems(added, configured).length === 0 ? added.upstream : undefined;
  return { url, name, scopes, defaultScopes, roles, proofOfPossession, upstream };
}
