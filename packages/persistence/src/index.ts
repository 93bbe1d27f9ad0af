export { changePassword, type EndedAccess, type EndedByPassword, endAccess } from './access.ts';
export { type AssertedGrant, grantForAssertion, isAsJudged } from './asserted-grant.ts';
export { type AuditChain, type AuditSegment, createAuditChain } from './audit-chain.ts';
export {
  type AuditFilter,
  type AuditLog,
  type AuditParties,
  createAuditLog,
  type RecordedAuditEvent,
} from './audit-log.ts';
export {
  type Authentication,
  type AuthenticationRows,
  createAuthenticationRows,
  type ReadAuthentication,
} from './authentication-rows.ts';
export { clean } from './clean.ts';
export { type ClientApproval, type ClientApprovalStore, createClientApprovalStore } from './client-approval-store.ts';
export {
  type ClientDocumentVersionStore,
  createClientDocumentVersionStore,
} from './client-document-version-store.ts';
export { CLIENT_LIFETIMES } from './client-lifetimes.ts';
export { preRegisteredClients } from './client-registration.ts';
export { type ClientMemory, type ClientRows, createClientRows } from './client-rows.ts';
export {
  type ClientChange,
  type ClientMetadata,
  type ClientPermissions,
  type ClientPosition,
  type ClientStanding,
  type ClientState,
  type ClientStore,
  createClientStore,
  type NewClient,
  type RegisteredClient,
} from './client-store.ts';
export {
  type Confirmation,
  type ConfirmationStore,
  confirmationPlace,
  createConfirmationStore,
} from './confirmation-store.ts';
export { type ConsentStore, type ConsentSubject, createConsentStore } from './consent-store.ts';
export { type Counter, countOne, findCounter, uncountOne } from './counters.ts';
export { type Database, type DatabaseOptions, isUnavailable, openDatabase } from './database.ts';
export { dumpTables } from './dump.ts';
export { type EndedCounter, takeEndedCounters } from './ended-counters.ts';
export type { EngineAdapterOptions } from './engine-adapter/adapter-dependencies.ts';
export { createEngineAdapter } from './engine-adapter/engine-adapter.ts';
export type { EngineErrors } from './engine-adapter/engine-errors.ts';
export { tokensEndedUntilOf } from './engine-adapter/grants.ts';
export { type SessionStanding, standingOfSession } from './engine-adapter/sessions.ts';
export { createEnvelope, deriveKey, type Envelope, UnknownMasterKey } from './envelope.ts';
export { machineGrantId } from './grant-ending.ts';
export {
  createGrantStore,
  type GrantPosition,
  type GrantStore,
  type NarrowResult,
  type RecordedGrant,
} from './grant-store.ts';
export { identityUnlinked } from './identity-unlinked.ts';
export {
  createLinkedIdentityStore,
  type Identity,
  type LinkedIdentity,
  type LinkedIdentityStore,
} from './linked-identity-store.ts';
export {
  bindMasterKey,
  createMasterKey,
  formatMasterKey,
  type MasterKey,
  masterKeyState,
  parseMasterKey,
} from './master-key.ts';
export { createOneTimeLinkStore, type OneTimeLinkPurpose, type OneTimeLinkStore } from './one-time-link-store.ts';
export {
  createPersonalAccessTokenStore,
  type NewPersonalAccessToken,
  PERSONAL_ACCESS_TOKENS_PER_USER,
  type PersonalAccessToken,
  type PersonalAccessTokenPosition,
  type PersonalAccessTokenStore,
} from './personal-access-token-store.ts';
export { createPresentedRows, type PresentedRows, type ReadPresented, type RowsAhead } from './presented-rows.ts';
export {
  type CodeRedemption,
  createRedemptionStore,
  type IssuedRefreshToken,
  type RedeemedCode,
  type RedemptionResult,
  type RedemptionStore,
  type RotatedToken,
  type Rotation,
} from './redemption-store.ts';
export {
  createRegistrationTokenStore,
  REGISTRATION_TOKEN_PREFIX,
  type RegistrationToken,
  type RegistrationTokenPosition,
  type RegistrationTokenStore,
} from './registration-token-store.ts';
export {
  createRemoteDocumentStore,
  type RemoteDocument,
  type RemoteDocumentStore,
} from './remote-document-store.ts';
export { resealUnderMasterKey } from './reseal.ts';
export { type AddedResource, createResourceStore, type ResourceStore } from './resource-store.ts';
export { type EndedAfterRestore, endRestoredAccess } from './restored-access.ts';
export {
  createRevocationLog,
  type LoggedRevocation,
  type Revocation,
  type RevocationLog,
  recordRevocations,
} from './revocation-log.ts';
export type { RevocationSignal } from './revocation-signal.ts';
export type { InteractionRows, SessionRows } from './session-rows.ts';
export { createSignInStore, ifOpen, type SignIn, type SignInStore } from './sign-in-store.ts';
export {
  createSigningKeyStore,
  type NewSigningKey,
  type PrivateJwk,
  type RecordedSigningKey,
  type SigningKey,
  type SigningKeyStore,
} from './signing-key-store.ts';
export { createStandingRows, type ReadStanding, type StandingOn, type StandingRows } from './standing-rows.ts';
export type { RunNow, Statement, Statements, StatementValue } from './statements/statement.ts';
export { clientSecretMatches, hashClientSecret, hashToken } from './token-hash.ts';
export { inTransaction } from './transaction.ts';
export {
  createUpstreamConnectionStore,
  type UpstreamAccount,
  type UpstreamAgreement,
  type UpstreamConnection,
  type UpstreamConnectionStore,
} from './upstream-connection-store.ts';
export { createUpstreamFlowStore, type UpstreamFlow, type UpstreamFlowStore } from './upstream-flow-store.ts';
export {
  createUpstreamRevocationStore,
  type UpstreamOwner,
  type UpstreamRevocation,
  type UpstreamRevocationStore,
} from './upstream-revocation-store.ts';
export type { TokenPair, UpstreamTokens } from './upstream-tokens.ts';
export { useIdentifier } from './used-identifier.ts';
export {
  type CreateUserResult,
  createUserStore,
  type UpdateUserResult,
  type User,
  type UserStore,
} from './user-store.ts';
