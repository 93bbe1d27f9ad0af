import { createHash } from 'node:crypto';
import type { ClientApprovalStore, ClientDocumentVersionStore } from '@portcullis/persistence';
import type { Clock, Logger } from '@portcullis/platform';
import { isClientIdUrl } from './client-id-url.ts';
import type { DocumentCache } from './document-cache.ts';
import { jsonReader } from './fetch-outcome.ts';
import { knownDocument } from './known-documents.ts';
import { type ClientMetadata, fingerprintOf, type PublicJwk, readMetadataDocument } from './metadata-document.ts';
import type { RemoteKeys } from './remote-keys.ts';
import { isHostVouchedFor, type TrustPolicy, trustOf } from './trust-policy.ts';

/** A client as its metadata document describes it, and which version of the document that was. */
export type DocumentClient = ClientMetadata & {
  client_document: {
    /** SHA-256 of the document's text. */
    version: string;
    /** What of it a user agrees to; see {@link fingerprintOf}. */
    fingerprint: string;
  };
};

/** Why a client that names itself by a URL cannot be used. */
export type DocumentRefusal = {
  reason: 'malformed' | 'denied' | 'awaiting_approval' | 'rejected' | 'unreachable' | 'withdrawn';
  /** What is wrong, in words that a client's author understands. */
  detail: string;
};

/** A client, or why there is none. */
export type DocumentClientResult = { ok: true; client: DocumentClient } | { ok: false; refusal: DocumentRefusal };

/** The same with the document's text. */
type FoundDocument = { ok: true; client: DocumentClient; text: string } | { ok: false; refusal: DocumentRefusal };

/** Asked before a request causes a fetch. */
type Admission = (() => Promise<boolean>) | undefined;

/** Clients that name themselves by the URL of a metadata document. */
export type ClientDocuments = {
  /** The client as it is now. */
  find(clientId: string, admit?: Admission): Promise<DocumentClientResult>;
  /** The client as it is now, of which a user is about to be shown this very version. */
  findToShow(clientId: string, admit?: Admission): Promise<DocumentClientResult>;
  /** The client as a user was shown it. */
  atVersion(clientId: string, version: string): Promise<DocumentClient | undefined>;
  /** Notes that a grant was given on a version, and keeps the version as long as the grant can live. */
  bindGrant(o: { grantId: string; clientId: string; version: string }): Promise<void>;
  /** The version that a grant was given on. */
  versionOfGrant(grantId: string): Promise<string | undefined>;
  /**
   * The client with the keys that it may authenticate with, in place of the URL of its keys. What was agreed to
   * counts, but for keys that its document of today no longer has. @returns a refusal when its keys cannot be had.
   */
  withKeys(o: KeysOf): Promise<DocumentClientResult>;
  /** Whether somebody who runs this server, or we, named the client or its host. */
  isVouchedFor(clientId: string): boolean;
  /** Whether a client's document is the one that we wrote to stand in for it. */
  isStandIn(client: DocumentClient): boolean;
};

/** Whose keys are wanted; `kid` is the one that a request is signed with. */
type KeysOf = { agreed: DocumentClient; current: DocumentClient; kid?: string | undefined; admit?: Admission };

/** What they are made with. */
export type ClientDocumentsDeps = {
  documents: DocumentCache;
  keys: RemoteKeys;
  versions: ClientDocumentVersionStore;
  approvals: ClientApprovalStore;
  /** Documents by client id that are used instead of fetching them. */
  pinned: ReadonlyMap<string, string>;
  trust: TrustPolicy;
  clock: Clock;
  log: Logger;
  /** How long a grant can live. */
  grantTtlSeconds: number;
};

/** A sign-in is over long before. */
const SHOWN_KEPT_SECONDS = 24 * 3600;
/** How long an administrator has to decide, in seconds: a month. */
const APPROVAL_KEPT_SECONDS = 30 * 24 * 3600;

/** Makes them over the caches and stores. */
export function createClientDocuments(deps: ClientDocumentsDeps): ClientDocuments {
  const { versions, clock, pinned } = deps;
  const keep = (clientId: string, { text, seconds }: { text: string; seconds: number }) =>
    versions.keep({ clientId, body: text, until: new Date(clock().getTime() + seconds * 1000) });
  return {
    find: (clientId, admit) => find(clientId, { deps, admit }),
    findToShow: async (clientId, admit) => {
      const found = await find(clientId, { deps, admit });
      if (found.ok) await keep(clientId, { text: found.text, seconds: SHOWN_KEPT_SECONDS });
      return found;
    },
    atVersion: async (clientId, version) => {
      const text = await versions.find(version);
      const found = text === undefined ? undefined : readClient(text, clientId);
      return found?.ok ? found.client : undefined;
    },
    bindGrant: async ({ grantId, clientId, version }) => {
      const text = await versions.find(version);
      if (text === undefined) throw new Error('the version of the document that was agreed to is gone');
      await keep(clientId, { text, seconds: deps.grantTtlSeconds + SHOWN_KEPT_SECONDS });
      await versions.bind({ grantId, version });
    },
    versionOfGrant: (grantId) => versions.ofGrant(grantId),
    withKeys: (o) => withKeys(o, deps),
    isVouchedFor: (clientId) =>
      pinned.has(clientId) || knownDocument(clientId) !== undefined || isHostVouchedFor(clientId, deps.trust),
    isStandIn: ({ client_id: clientId, client_document: { version } }) => {
      const text = pinned.has(clientId) ? undefined : knownDocument(clientId);
      return text !== undefined && hashOf(text) === version;
    },
  };
}

async function find(
  clientId: string,
  { deps, admit }: { deps: ClientDocumentsDeps; admit: Admission },
): Promise<FoundDocument> {
  if (!isClientIdUrl(clientId)) return refuse('malformed', 'the client_id is no URL that a metadata document may have');
  const approved = await deps.approvals.find(clientId);
  if (approved === false) return refuse('rejected', 'an administrator of this server refused the app');
  const pinned = deps.pinned.get(clientId);
  if (pinned !== undefined) return readClient(pinned, clientId);
  const trust = trustOf(clientId, deps.trust);
  if (trust === 'deny') return refuse('denied', 'this server does not take apps from there');
  const text = await textOf(clientId, { deps, admit });
  if (!text.ok) return text;
  const found = readClient(text.text, clientId);
  return found.ok && trust === 'ask' && !approved ? askAdministrator(clientId, deps) : found;
}

async function textOf(
  clientId: string,
  { deps, admit }: { deps: ClientDocumentsDeps; admit: Admission },
): Promise<{ ok: true; text: string } | { ok: false; refusal: DocumentRefusal }> {
  const reader = jsonReader((text) => readMetadataDocument(text, clientId));
  const document = await deps.documents(clientId, { reader, admit });
  switch (document.kind) {
    case 'fresh':
    case 'stale':
      return { ok: true, text: document.body };
    case 'withdrawn':
      return refuse('withdrawn', document.reason);
    // A document of ours stands in for one that cannot be fetched, not for one that was not asked for.
    case 'busy':
      return refuse('unreachable', document.reason);
    case 'unreachable': {
      const standIn = knownDocument(clientId);
      if (standIn === undefined) return refuse('unreachable', document.reason);
      deps.log.warn(
        { clientId, reason: document.reason },
        'a known document stands in for one that cannot be fetched; pin the real one under clientMetadataDocuments.pinned',
      );
      return { ok: true, text: standIn };
    }
  }
}

async function askAdministrator(
  clientId: string,
  { approvals, clock }: ClientDocumentsDeps,
): Promise<{ ok: false; refusal: DocumentRefusal }> {
  const now = clock();
  await approvals.ask({ clientId, now, forgetAt: new Date(now.getTime() + APPROVAL_KEPT_SECONDS * 1000) });
  return refuse('awaiting_approval', 'an administrator of this server has to approve the app first');
}

async function withKeys(
  { agreed, current, kid, admit }: KeysOf,
  deps: ClientDocumentsDeps,
): Promise<DocumentClientResult> {
  if (agreed.token_endpoint_auth_method === 'none') return { ok: true, client: agreed };
  const { jwks, jwks_uri: uri, ...client } = agreed;
  if (jwks) {
    const today = new Set(current.jwks?.keys.map(canonical));
    return { ok: true, client: { ...client, jwks: { keys: jwks.keys.filter((key) => today.has(canonical(key))) } } };
  }
  if (uri === undefined || uri !== current.jwks_uri) return { ok: true, client: { ...client, jwks: { keys: [] } } };
  const found = await deps.keys(uri, { kid, admit });
  if (!found.ok) return refuse('unreachable', `its keys: ${found.reason}`);
  return { ok: true, client: { ...client, jwks: { keys: found.keys } } };
}

function readClient(text: string, clientId: string): FoundDocument {
  const read = readMetadataDocument(text, clientId);
  if (!read.ok) return refuse('withdrawn', read.problem);
  const { metadata } = read;
  const document = { version: hashOf(text), fingerprint: fingerprintOf(metadata) };
  return { ok: true, text, client: { ...metadata, client_document: document } };
}

function refuse(reason: DocumentRefusal['reason'], detail: string): { ok: false; refusal: DocumentRefusal } {
  return { ok: false, refusal: { reason, detail } };
}

function canonical(key: PublicJwk): string {
  return JSON.stringify(Object.entries(key).sort());
}

function hashOf(text: string): string {
  return createHash('sha256').update(text).digest('base64url');
}
