import {
  type AddedResource,
  createClientStore,
  createResourceStore,
  type Database,
  type RegisteredClient,
} from '@portcullis/persistence';
import type { AdminAnswer, AdminRequest } from '@portcullis/platform';
import type { ClientCertificates } from '../provider/mutual-tls.ts';
import { addedUpstreamProblems, createResourceCatalogue, type FixedResources } from '../resource-catalogue.ts';
import { type ResourceServerAuthentication, resourceServerClient } from '../resource-server-client.ts';
import { isOwnUrl, resourceIdentifier, resourceUrlProblem } from '../resource-url.ts';
import { findResource, type Resource } from '../resources.ts';
import type { RolePermissions } from '../roles.ts';
import type { Site } from '../site.ts';
import type { Upstream } from '../upstream/upstream.ts';
import { NO_CERTIFICATES } from './client-possession.ts';
import { keyProblems } from './client-registration.ts';
import { type AdminCall, type AdminHandlers, refuse } from './handler.ts';
import { FOREIGN_CURSOR, pageOf, placeOf, placeText } from './page-cursor.ts';
import type { AdminRefusal, FieldProblem } from './problem.ts';
import { type ChangeOutcome, recordedChange } from './recorded-change.ts';

/** What administering resources needs. */
export type ResourceAdministration = {
  database: Database;
  site: Site;
  fixedResources: FixedResources;
  roles: RolePermissions;
  upstreams: readonly Upstream[];
  /** Undefined where no client certificates come in. */
  clientCertificates: ClientCertificates | undefined;
};

type ResourceOperation = 'listResources' | 'addResource' | 'removeResource' | 'issueResourceCredentials';

type ShownResource = AdminAnswer<'addResource'>['resource'];

/** The operations on protected resources. */
export function resourceHandlers(deps: ResourceAdministration): AdminHandlers<ResourceOperation> {
  const { database } = deps;
  return {
    listResources: (call) => listResources(call, deps),
    addResource: async (call) => {
      const errors = judge(call.body, deps);
      if (errors.length > 0) return refuse({ reason: 'invalid_request', errors });
      return recordedChange(database, call, (within) => addResource(call, { within, deps }));
    },
    removeResource: (call) => recordedChange(database, call, (within) => removeResource(call, { within, deps })),
    issueResourceCredentials: async (call) => {
      const errors = keyProblems(call.body);
      if (errors.length > 0) return refuse({ reason: 'invalid_request', errors });
      return recordedChange(database, call, (within) => issueCredentials(call, { within, deps }));
    },
  };
}

type Within = { within: Database; deps: ResourceAdministration };

async function listResources(
  { query: { cursor, limit }, now }: AdminCall<'listResources'>,
  { database, fixedResources }: ResourceAdministration,
) {
  const after = cursor === undefined ? undefined : placeOf(cursor, placeText);
  if (cursor !== undefined && after === undefined) return refuse(FOREIGN_CURSOR);
  const configured = fixedResources.filter(({ reserved }) => !reserved);
  const place = configured.findIndex(({ url }) => url === after);
  const begun = after !== undefined && place < 0;
  const added = await createResourceStore(database).list({
    after: begun ? after : undefined,
    // As many more as the configuration can hide.
    limit: limit + 1 + configured.length,
  });
  const clients = createClientStore(database);
  const shown = async (resource: AddedResource | Resource) =>
    shownResource(resource, await clients.findResourceServer({ url: resource.url, now }));
  const page = [
    ...(begun ? [] : configured.slice(place + 1)),
    ...added.filter(({ url }) => !findResource(configured, url)),
  ].slice(0, limit + 1);
  const items = await Promise.all(page.map(shown));
  return { ok: true as const, answer: pageOf(items, { limit, place: ({ url }) => url, item: (item) => item }) };
}

const EXISTS: AdminRefusal = { reason: 'conflict', detail: 'There is a resource at this URL already.' };
const UNKNOWN_RESOURCE: AdminRefusal = { reason: 'not_found', what: 'such resource' };

function judge(
  body: AdminRequest<'addResource'>['body'],
  { site, roles, clientCertificates }: ResourceAdministration,
): FieldProblem[] {
  const problem = resourceUrlProblem(body.url);
  const unknown = Object.keys(body.roles ?? {}).filter((role) => !Object.hasOwn(roles, role));
  return [
    ...(problem === undefined ? [] : [{ field: 'url', problem }]),
    ...(problem === undefined && isOwnUrl(body.url, site)
      ? [{ field: 'url', problem: 'is the URL of this server itself, or of its administration' }]
      : []),
    ...(unknown.length > 0
      ? [
          {
            field: 'roles',
            problem: `no such role here: ${unknown.join(', ')}; there are ${Object.keys(roles).join(', ')}`,
          },
        ]
      : []),
    ...(body.proofOfPossession === 'certificate' && !clientCertificates ? [NO_CERTIFICATES] : []),
    ...keyProblems(body),
  ];
}

async function addResource(
  { body, now }: AdminCall<'addResource'>,
  { within, deps }: Within,
): Promise<ChangeOutcome<AdminAnswer<'addResource'>>> {
  const { url, name, scopes, defaultScopes, roles = {}, proofOfPossession, upstream } = body;
  const others = [...deps.fixedResources, ...(await createResourceStore(within).list())];
  const errors = addedUpstreamProblems(body, { fixed: others, upstreams: deps.upstreams });
  if (errors.length > 0) return refuse({ reason: 'invalid_request', errors });
  if (await createResourceCatalogue(deps.fixedResources, within).find(url)) return refuse(EXISTS);
  const identifier = resourceIdentifier(url) ?? url;
  const resource = { url, identifier, name, scopes, defaultScopes, roles, proofOfPossession, upstream, createdAt: now };
  if (!(await createResourceStore(within).add(resource))) return refuse(EXISTS);
  const clients = createClientStore(within);
  const before = await clients.findResourceServer({ url, now });
  if (before) await clients.delete({ id: before.id, now });
  const made = resourceServerClient(resource, { authentication: authenticationOf(body), now });
  const { client } = await clients.register(made);
  return {
    ok: true,
    answer: answerOf(shownResource(resource, client), made.secret),
    event: {
      type: 'resource.added',
      resource: url,
      client: client.id,
      detail: { name, scopes: Object.keys(scopes), roles, ...(upstream && { upstream }) },
    },
  };
}

async function removeResource(
  { params, now }: AdminCall<'removeResource'>,
  { within, deps }: Within,
): Promise<ChangeOutcome<AdminAnswer<'removeResource'>>> {
  const configured = openResource(deps.fixedResources, params.resource);
  if (configured) return refuse(fromConfiguration(configured, deps));
  const store = createResourceStore(within);
  const [resource] = await store.findAll([resourceIdentifier(params.resource ?? '') ?? '']);
  const removed = resource && (await store.remove({ url: resource.url, now }));
  if (!resource || !removed) return refuse(UNKNOWN_RESOURCE);
  const clients = createClientStore(within);
  const client = await clients.findResourceServer({ url: resource.url, now });
  if (client) await clients.delete({ id: client.id, now });
  return {
    ok: true,
    answer: { resource: shownResource(resource, client), grants: removed.grants },
    event: { type: 'resource.removed', resource: resource.url, ...(client && { client: client.id }), detail: removed },
  };
}

async function issueCredentials(
  { params, body, now }: AdminCall<'issueResourceCredentials'>,
  { within, deps }: Within,
): Promise<ChangeOutcome<AdminAnswer<'issueResourceCredentials'>>> {
  const [added] = await createResourceStore(within).findAll([resourceIdentifier(params.resource ?? '') ?? '']);
  const resource = openResource(deps.fixedResources, params.resource) ?? added;
  if (!resource) return refuse(UNKNOWN_RESOURCE);
  const clients = createClientStore(within);
  const present = await clients.findResourceServer({ url: resource.url, now });
  if (present) return refuse(hasCredentials(present));
  const made = resourceServerClient(resource, { authentication: authenticationOf(body), now });
  const { client } = await clients.register(made);
  return {
    ok: true,
    answer: answerOf(shownResource(resource, client), made.secret),
    event: { type: 'resource.credentials_issued', resource: resource.url, client: client.id },
  };
}

function openResource(fixed: readonly Resource[], identifier = ''): Resource | undefined {
  return findResource(
    fixed.filter(({ reserved }) => !reserved),
    identifier,
  );
}

function fromConfiguration({ url }: Resource, { fixedResources }: ResourceAdministration): AdminRefusal {
  const place = url === fixedResources[0].url ? 'PORTCULLIS_MCP_URL' : 'the file that PORTCULLIS_CONFIG names';
  return {
    reason: 'conflict',
    detail: `This resource comes from ${place}. Change it there and start the server again.`,
  };
}

function hasCredentials({ id, metadata }: RegisteredClient): AdminRefusal {
  const another =
    metadata.token_endpoint_auth_method === 'private_key_jwt'
      ? 'It authenticates with its own key.'
      : 'Another secret comes from `portcullis clients rotate-secret`.';
  return { reason: 'conflict', detail: `This resource has its client already, ${id}. ${another}` };
}

function authenticationOf({
  authentication: method,
  jwks,
}: AdminRequest<'issueResourceCredentials'>['body']): ResourceServerAuthentication {
  return method === 'private_key_jwt' ? { method, jwks: jwks ?? { keys: [] } } : { method };
}

function answerOf(resource: ShownResource, clientSecret: string | undefined) {
  return { resource, ...(clientSecret !== undefined && { clientSecret }) };
}

function shownResource(resource: AddedResource | Resource, client: RegisteredClient | undefined): ShownResource {
  const { url, name, scopes, defaultScopes, roles = {}, proofOfPossession = null, upstream } = resource;
  const createdAt = 'createdAt' in resource ? resource.createdAt : undefined;
  return {
    url,
    name,
    source: createdAt ? 'administrator' : 'configuration',
    scopes: { ...scopes },
    defaultScopes: [...defaultScopes],
    roles: Object.fromEntries(Object.entries(roles).map(([role, granted]) => [role, [...granted]])),
    proofOfPossession,
    upstream: upstream ? { name: upstream.name, scopes: { ...upstream.scopes } } : null,
    clientId: client?.id ?? null,
    createdAt: createdAt?.toISOString() ?? null,
  };
}
