import { type ClientStore, createClientStore, type Database, type RegisteredClient } from '@portcullis/persistence';
import type { AdminAnswer, AuditEventType } from '@portcullis/platform';
import { looksLikeClientIdUrl } from '../client-metadata/client-id-url.ts';
import type { ClientCertificates } from '../provider/mutual-tls.ts';
import { createResourceCatalogue, type FixedResources } from '../resource-catalogue.ts';
import { createClientSecret } from '../resource-server-client.ts';
import { shownPossession } from './client-possession.ts';
import {
  handedOnProblems,
  hasSecret,
  judgeRedirectUris,
  judgeRegistration,
  limitProblems,
} from './client-registration.ts';
import { CHANGED_SINCE, versionOfClient } from './client-version.ts';
import {
  decideDocumentClient,
  findDocumentClient,
  listDocumentClients,
  switchDocumentClient,
} from './document-clients.ts';
import { type AdminCall, type AdminHandlers, refuse } from './handler.ts';
import { FOREIGN_CURSOR, pageOf, placeInTime, placeOf } from './page-cursor.ts';
import type { AdminRefusal } from './problem.ts';
import { type ChangeOutcome, recordedChange } from './recorded-change.ts';

/** What administering clients needs. */
export type ClientAdministration = {
  database: Database;
  fixedResources: FixedResources;
  /** Undefined where no client certificates come in. */
  clientCertificates: ClientCertificates | undefined;
};

type ClientOperation =
  | 'listClients'
  | 'showClient'
  | 'registerClient'
  | 'updateClient'
  | 'rotateClientSecret'
  | 'disableClient'
  | 'enableClient'
  | 'approveClient'
  | 'rejectClient'
  | 'deleteClient';

/** The operations on clients. */
export function clientHandlers(deps: ClientAdministration): AdminHandlers<ClientOperation> {
  const { database, fixedResources } = deps;
  return {
    async listClients({ query: { cursor, limit, state }, now }) {
      const position = cursor === undefined ? undefined : placeOf(cursor, placeInTime);
      if (cursor !== undefined && !position) return refuse(FOREIGN_CURSOR);
      const after = position && { createdAt: position[0], id: position[1] };
      const page = { state, after, limit: limit + 1, now };
      const clients = [
        ...(await createClientStore(database).list(page)).map(shown),
        ...(await listDocumentClients(database, page)),
      ].sort(newestFirst);
      return {
        ok: true,
        answer: pageOf(clients, { limit, place: ({ createdAt, id }) => [createdAt, id], item: (client) => client }),
      };
    },
    async showClient({ params, now }) {
      const id = params.client ?? '';
      if (looksLikeClientIdUrl(id)) {
        const client = await findDocumentClient(database, { clientId: id, now });
        return client ? { ok: true, answer: { client } } : refuse(UNKNOWN_CLIENT);
      }
      const client = await createClientStore(database).find({ id, now });
      return client ? { ok: true, answer: { client: shown(client) } } : refuse(UNKNOWN_CLIENT);
    },
    registerClient: (call) => registerClient(call, deps),
    updateClient: async (call) => (isDocument(call) ? refuse(NOT_HERE) : updateClient(call, deps)),
    rotateClientSecret: async (call) => {
      if (isDocument(call)) return refuse(NO_SECRET);
      return recordedChange(database, call, async (within) => {
        const { now, body } = call;
        const clients = createClientStore(within);
        const client = await clients.find({ id: call.params.client ?? '', now });
        if (!client) return refuse(UNKNOWN_CLIENT);
        if (!hasSecret(client.metadata.token_endpoint_auth_method)) return refuse(NO_SECRET);
        const clientSecret = createClientSecret();
        const { overlapSeconds } = body;
        await clients.rotateSecret({ id: client.id, secret: clientSecret, overlapSeconds, now });
        const previousUntil = new Date(now.getTime() + overlapSeconds * 1000).toISOString();
        return {
          ok: true,
          answer: { client: shown(client), clientSecret, previousUntil },
          event: { type: 'client.secret_rotated', client: client.id, detail: { overlapSeconds } },
        };
      });
    },
    disableClient: (call) =>
      isDocument(call)
        ? switchDocumentClient(call, { database, disabled: true })
        : changeState(call, { database, type: 'client.disabled', change: setDisabled(true) }),
    enableClient: (call) =>
      isDocument(call)
        ? switchDocumentClient(call, { database, disabled: false })
        : changeState(call, { database, type: 'client.enabled', change: setDisabled(false) }),
    approveClient: (call) =>
      isDocument(call)
        ? decideDocumentClient(call, { database, approved: true })
        : changeState(call, {
            database,
            type: 'client.approved',
            version: call.body.version,
            change: (clients, key) => clients.approve(key),
          }),
    rejectClient: (call) =>
      isDocument(call)
        ? decideDocumentClient(call, { database, approved: false })
        : changeState(call, {
            database,
            type: 'client.rejected',
            version: call.body.version,
            change: (clients, key) => clients.reject(key),
          }),
    deleteClient: async (call) => {
      if (isDocument(call)) return refuse(NOT_HERE);
      return recordedChange(database, call, async (within) => {
        const clients = createClientStore(within);
        const key = { id: call.params.client ?? '', now: call.now };
        const client = await clients.find(key);
        const served = client?.resourceServer;
        if (served !== undefined && (await createResourceCatalogue(fixedResources, within).find(served)))
          return refuse(SERVES_A_RESOURCE);
        const deleted = await clients.delete(key);
        if (!client || !deleted) return refuse(UNKNOWN_CLIENT);
        return {
          ok: true,
          answer: { client: shown(client), grants: deleted.grants },
          event: { type: 'client.deleted', client: client.id, detail: deleted },
        };
      });
    },
  };
}

const UNKNOWN_CLIENT: AdminRefusal = { reason: 'not_found', what: 'such client' };
const NO_SECRET: AdminRefusal = { reason: 'conflict', detail: 'This client has no secret.' };
const NOT_IN_REVIEW: AdminRefusal = { reason: 'conflict', detail: 'This client does not wait for a decision.' };
const SERVER_OF_A_RESOURCE: AdminRefusal = {
  reason: 'conflict',
  detail: 'This client is the server of a resource: it asks for no tokens, so that only its name can be changed.',
};
const NOT_HERE: AdminRefusal = {
  reason: 'conflict',
  detail:
    'This client is described by the document at that URL, which its makers alone change or remove. It can be disabled, and its grants can be revoked.',
};
const SERVES_A_RESOURCE: AdminRefusal = {
  reason: 'conflict',
  detail: 'This client is the server of a resource. Remove the resource, rotate the secret or disable the client.',
};
const NOT_OURS: AdminRefusal = {
  reason: 'conflict',
  detail: 'This client registered itself: its name and addresses are its own to change. It can be limited or disabled.',
};

async function registerClient(
  call: AdminCall<'registerClient'>,
  { database, fixedResources, clientCertificates }: ClientAdministration,
) {
  const resources = await createResourceCatalogue(fixedResources, database).list();
  const judged = judgeRegistration(call.body, { resources, held: call.by.scopes, clientCertificates });
  if (!judged.ok) return refuse({ reason: 'invalid_request', errors: judged.errors });
  const { metadata, permissions } = judged;
  const clientSecret = judged.hasSecret ? createClientSecret() : undefined;
  return recordedChange(database, call, async (within) => {
    const { client } = await createClientStore(within).register({
      metadata,
      permissions,
      registration: 'manual',
      secret: clientSecret,
      now: call.now,
    });
    const { firstParty, machine, admin, authentication } = call.body;
    return {
      ok: true,
      answer: { client: shown(client), ...(clientSecret !== undefined && { clientSecret }) },
      event: {
        type: 'client.registered',
        client: client.id,
        detail: { by: 'administrator', name: call.body.name, authentication, firstParty, machine, admin },
      },
    };
  });
}

function updateClient(call: AdminCall<'updateClient'>, { database, fixedResources }: ClientAdministration) {
  const { name, redirectUris, scopes, resources: allowed, firstParty } = call.body;
  return recordedChange(database, call, async (within): Promise<ChangeOutcome<{ client: ShownClient }>> => {
    const clients = createClientStore(within);
    const client = await clients.find({ id: call.params.client ?? '', now: call.now });
    if (!client) return refuse(UNKNOWN_CLIENT);
    if ((name !== undefined || redirectUris) && client.registration === 'dynamic') return refuse(NOT_OURS);
    if (client.resourceServer !== undefined && Object.keys(call.body).some((field) => field !== 'name'))
      return refuse(SERVER_OF_A_RESOURCE);
    const resources = await createResourceCatalogue(fixedResources, within).list();
    const redirects = redirectUris && judgeRedirectUris(redirectUris);
    const admin = resources.some(({ reserved, url }) => reserved && client.allowedResources?.includes(url));
    const errors = [
      ...(redirects && 'errors' in redirects ? redirects.errors : []),
      ...(redirects && isMachine(client) ? [{ field: 'redirectUris', problem: 'a machine has none' }] : []),
      ...(isMachine(client) && allowed === null
        ? [{ field: 'resources', problem: 'a machine needs at least one' }]
        : []),
      ...(admin ? handedOnProblems(scopes, call.by.scopes) : []),
      ...(admin && scopes === null ? [{ field: 'scopes', problem: 'name the admin scopes that it may have' }] : []),
      ...limitProblems(
        { scopes, resources: allowed ?? (allowed === null ? null : client.allowedResources) },
        { resources, admin },
      ),
    ];
    if (errors.length > 0) return refuse({ reason: 'invalid_request', errors });
    await clients.update({
      id: client.id,
      now: call.now,
      metadata: {
        ...client.metadata,
        ...(name !== undefined && { client_name: name }),
        ...(redirects &&
          'uris' in redirects && {
            redirect_uris: redirects.uris,
            application_type: redirects.native ? 'native' : 'web',
          }),
      },
      permissions: {
        ...(firstParty !== undefined && { firstParty }),
        ...(scopes !== undefined && { allowedScopes: scopes ?? undefined }),
        ...(allowed !== undefined && { allowedResources: allowed ?? undefined }),
      },
    });
    const updated = await clients.find({ id: client.id, now: call.now });
    if (!updated) return refuse(UNKNOWN_CLIENT);
    const detail = { changed: Object.keys(call.body) };
    return {
      ok: true,
      answer: { client: shown(updated) },
      event: { type: 'client.updated', client: client.id, detail },
    };
  });
}

type Key = { id: string; now: Date };
type StateChange = (clients: ClientStore, key: Key) => Promise<boolean>;

const setDisabled =
  (disabled: boolean): StateChange =>
  (clients, key) =>
    clients.setDisabled({ ...key, disabled });

type StateChangeOptions = {
  database: Database;
  type: AuditEventType;
  /** What was looked at, where that decides. */
  version?: string;
  change: StateChange;
};

function changeState(call: AdminCall, { database, type, version, change }: StateChangeOptions) {
  return recordedChange(database, call, async (within): Promise<ChangeOutcome<{ client: ShownClient }>> => {
    const clients = createClientStore(within);
    const key = { id: call.params.client ?? '', now: call.now };
    const before = await clients.find(key);
    if (!before) return refuse(UNKNOWN_CLIENT);
    if (version !== undefined && version !== versionOfClient(before)) return refuse(CHANGED_SINCE);
    if (!(await change(clients, key))) return refuse(NOT_IN_REVIEW);
    const client = await clients.find(key);
    if (!client) return refuse(UNKNOWN_CLIENT);
    return { ok: true, answer: { client: shown(client) }, event: { type, client: client.id } };
  });
}

/** Whether a call is about a client that names itself by the URL of a document. */
function isDocument({ params }: Pick<AdminCall, 'params'>): boolean {
  return looksLikeClientIdUrl(params.client ?? '');
}

function isMachine({ metadata }: RegisteredClient): boolean {
  return metadata.grant_types?.includes('client_credentials') ?? false;
}

type ShownClient = AdminAnswer<'showClient'>['client'];

function newestFirst(a: ShownClient, b: ShownClient): number {
  if (a.createdAt !== b.createdAt) return a.createdAt < b.createdAt ? 1 : -1;
  return a.id < b.id ? -1 : 1;
}

function shown(registered: RegisteredClient): ShownClient {
  const { id, registration, state, resourceServer, firstParty, metadata, ...client } = registered;
  return {
    id,
    registration,
    state,
    resourceServer: resourceServer ?? null,
    firstParty,
    name: metadata.client_name ?? null,
    authentication: metadata.token_endpoint_auth_method ?? 'client_secret_basic',
    ...shownPossession(metadata),
    grantTypes: [...(metadata.grant_types ?? [])],
    redirectUris: [...(metadata.redirect_uris ?? [])],
    scopes: client.allowedScopes ?? null,
    resources: client.allowedResources ?? null,
    createdAt: client.createdAt.toISOString(),
    lastUsedAt: client.lastUsedAt?.toISOString() ?? null,
    expiresAt: client.expiresAt?.toISOString() ?? null,
    version: versionOfClient(registered),
  };
}
