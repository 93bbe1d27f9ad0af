import {
  type ClientApproval,
  type ClientPosition,
  type ClientState,
  createClientApprovalStore,
  createRemoteDocumentStore,
  type Database,
} from '@portcullis/persistence';
import type { AdminAnswer } from '@portcullis/platform';
import { isClientIdUrl } from '../client-metadata/client-id-url.ts';
import { knownDocument } from '../client-metadata/known-documents.ts';
import { readMetadataDocument } from '../client-metadata/metadata-document.ts';
import { CHANGED_SINCE, versionOfDocument } from './client-version.ts';
import { type AdminCall, refuse } from './handler.ts';
import type { AdminRefusal } from './problem.ts';
import { recordedChange } from './recorded-change.ts';

type ShownClient = AdminAnswer<'showClient'>['client'];

/** Clients that name themselves by a document and that an administrator is, or was, asked about. */
export async function listDocumentClients(
  database: Database,
  { state, ...page }: { state: ClientState | undefined; after: ClientPosition | undefined; limit: number; now: Date },
): Promise<ShownClient[]> {
  if (state === 'disabled') return [];
  const decision = state && { pending: null, active: true, rejected: false }[state];
  const asked = await createClientApprovalStore(database).list({ decision, ...page });
  return Promise.all(asked.map((approval) => shown(database, approval)));
}

/** One of them. */
export async function findDocumentClient(
  database: Database,
  o: { clientId: string; now: Date },
): Promise<ShownClient | undefined> {
  const approval = await createClientApprovalStore(database).findAsked(o);
  return approval && shown(database, approval);
}

/** Lets such a client in that has asked, or turns it away; either can be taken back. */
export function decideDocumentClient(
  call: AdminCall<'approveClient' | 'rejectClient'>,
  { database, approved }: { database: Database; approved: boolean },
) {
  const { now, body } = call;
  const clientId = call.params.client ?? '';
  return recordedChange<{ client: ShownClient }>(database, call, async (within) => {
    const before = await findDocumentClient(within, { clientId, now });
    if (!before) return refuse(UNKNOWN_CLIENT);
    if (body.version !== before.version) return refuse(CHANGED_SINCE);
    const state = approved ? 'active' : 'rejected';
    if (before.state === state) return refuse({ reason: 'conflict', detail: `This client is ${state} already.` });
    await createClientApprovalStore(within).decide({ clientId, approved, now });
    return {
      ok: true,
      answer: { client: { ...before, state } },
      event: { type: approved ? 'client.approved' : 'client.rejected', client: clientId },
    };
  });
}

/**
 * Turns such a client away whether or not anybody was asked about it, or takes that back. It may come from a host whose
 * clients are all let in, and may not have come yet: nothing of it is stored that could be looked up first.
 */
export function switchDocumentClient(
  call: AdminCall,
  { database, disabled }: { database: Database; disabled: boolean },
) {
  const { now } = call;
  const clientId = call.params.client ?? '';
  return recordedChange<{ client: ShownClient }>(database, call, async (within) => {
    const approvals = createClientApprovalStore(within);
    const before = await approvals.findAsked({ clientId, now });
    if (!isClientIdUrl(clientId) || (!disabled && !before)) return refuse(UNKNOWN_CLIENT);
    if (disabled && before?.approved === false) return refuse(REJECTED_ALREADY);
    // Letting one in that waits is a decision about what it says of itself.
    if (!disabled && before?.approved !== false) return refuse(NOT_TURNED_AWAY);
    await approvals.decide({ clientId, approved: !disabled, now });
    const decided = { clientId, approved: !disabled, createdAt: before?.createdAt ?? now };
    return {
      ok: true,
      answer: { client: await shown(within, decided) },
      event: { type: disabled ? 'client.disabled' : 'client.enabled', client: clientId },
    };
  });
}

const UNKNOWN_CLIENT: AdminRefusal = { reason: 'not_found', what: 'such client' };
const REJECTED_ALREADY: AdminRefusal = { reason: 'conflict', detail: 'This client is rejected already.' };
const NOT_TURNED_AWAY: AdminRefusal = {
  reason: 'conflict',
  detail: 'This client was not turned away. One that waits is let in with approve.',
};

/** As its document says that was fetched last, where it is still known. */
async function shown(database: Database, { clientId, approved, createdAt }: ClientApproval): Promise<ShownClient> {
  const stored = await createRemoteDocumentStore(database).find(clientId);
  const text = stored?.body ?? knownDocument(clientId);
  const read = text === undefined ? undefined : readMetadataDocument(text, clientId);
  const metadata = read?.ok ? read.metadata : undefined;
  return {
    id: clientId,
    registration: 'document',
    state: approved === undefined ? 'pending' : approved ? 'active' : 'rejected',
    resourceServer: null,
    firstParty: false,
    name: metadata?.client_name ?? null,
    authentication: metadata?.token_endpoint_auth_method ?? 'none',
    tlsSubject: null,
    proofOfPossession: metadata?.dpop_bound_access_tokens ? 'dpop' : null,
    grantTypes: [...(metadata?.grant_types ?? [])],
    redirectUris: [...(metadata?.redirect_uris ?? [])],
    scopes: null,
    resources: null,
    createdAt: createdAt.toISOString(),
    lastUsedAt: null,
    expiresAt: null,
    version: versionOfDocument(text),
  };
}
