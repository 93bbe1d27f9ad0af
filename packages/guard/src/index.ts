export type { Access, AccessDeclaration } from './access.ts';
export type { TokenVerdict } from './access-token.ts';
export { authInfo, type SdkAuthInfo } from './auth-info.ts';
export type { Binding } from './binding.ts';
export { readClientCertificate } from './client-certificate.ts';
export { declarationTable } from './declaration-table.ts';
export { type Declarations, type DeclaredKind, declarationProblems } from './declarations.ts';
export {
  type Admission,
  type Authentication,
  type Connection,
  createGuard,
  type Guard,
  type Handler,
  type MessageObserver,
} from './guard.ts';
export type { McpMessage, MessageRefusal } from './mcp-message.ts';
export type { SentMessage } from './message-gate.ts';
export type { OperationRefusal } from './operation.ts';
export type { GuardOptions } from './options.ts';
export { formatPersonalAccessToken, isPersonalAccessToken } from './personal-access-token.ts';
export type { PossessionRefusal } from './possession.ts';
export type { Credential, Principal } from './principal.ts';
export type { Refusal, TokenRefusal, TokenRefusalReason } from './refusal.ts';
export { createReplayMemory, type ProofUse, type ReplayStore } from './replay-store.ts';
export type { RevocationFeedChange, RevocationMetrics } from './revocation-feed.ts';
export type { UpstreamToken, UpstreamTokenRefusal, UpstreamTokenResult } from './upstream-token.ts';
