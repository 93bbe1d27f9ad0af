import { type AddedResource, createResourceStore, type Database } from '@portcullis/persistence';
import { resourceIdentifier } from './resource-url.ts';
import { findResource, type Resource } from './resources.ts';

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

/** The catalogue over a database. A resource of the configuration hides one that was added under the same URL. */
export function createResourceCatalogue(fixed: FixedResources, database: Database): ResourceCatalogue {
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

function toResource({ url, name, scopes, defaultScopes, roles }: AddedResource): Resource {
  return { url, name, scopes, defaultScopes, roles };
}
