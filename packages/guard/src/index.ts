export type { TokenVerdict } from './access-token.ts';
export { authInfo, type SdkAuthInfo } from './auth-info.ts';
export { type Admission, type Authentication, createGuard, type Guard } from './guard.ts';
export type { GuardOptions } from './options.ts';
export type { Principal } from './principal.ts';
export type { Refusal, TokenRefusal, TokenRefusalReason } from './refusal.ts';
export type { RevocationFeedChange, RevocationMetrics } from './revocation-feed.ts';
