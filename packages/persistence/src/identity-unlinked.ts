import type { AuditEvent } from '@portcullis/platform';
import type { Identity } from './linked-identity-store.ts';

/**
 * What the audit trail says of an account elsewhere that is a user's no more.
 *
 * @param about by what or through whom, or whose it was where somebody else did it
 * @param rolesTaken what the user had by groups at the provider, and has lost with it
 */
export function identityUnlinked(
  about: Readonly<Record<string, string>>,
  { identity: { issuer, subject }, rolesTaken }: { identity: Identity; rolesTaken: readonly string[] },
): Pick<AuditEvent, 'type'> & { detail: Readonly<Record<string, unknown>> } {
  const lost = rolesTaken.length > 0 ? { rolesTaken } : {};
  return {
    type: 'user.identity_unlinked',
    detail: { ...about, identityProvider: issuer, upstreamSubject: subject, ...lost },
  };
}
