import { InvalidTokenError, TemporarilyUnavailableError } from '@modelcontextprotocol/sdk/server/auth/errors.js';
import { authInfo, type SdkAuthInfo } from './auth-info.ts';
import type { Guard } from './guard.ts';

export { authInfo, type SdkAuthInfo } from './auth-info.ts';

/**
 * A verifier for `requireBearerAuth` of `@modelcontextprotocol/sdk` 1.x.
 *
 * It verifies tokens as the guard does and no more: `Host`, `Origin`, metadata, CORS and the challenge without
 * credentials stay with the SDK, which answers 400 where the guard would answer 503. Where there is a choice, put
 * `nodeGuard` before the SDK's transport instead.
 */
export function tokenVerifier(guard: Guard): { verifyAccessToken(token: string): Promise<SdkAuthInfo> } {
  return {
    async verifyAccessToken(token) {
      const verdict = await guard.verifyToken(token);
      if (verdict.ok) return authInfo(guard, verdict.principal);
      if ('retryAfterSeconds' in verdict.refusal) {
        throw new TemporarilyUnavailableError('The access token cannot be checked at the moment.');
      }
      throw new InvalidTokenError('The access token is not valid for this resource.');
    },
  };
}
