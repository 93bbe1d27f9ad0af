import type { AuditEvent } from '@portcullis/platform';

/** What an audit event says of one grant: given, or ended, and by what. Closed sets both. */
type GrantChange =
  | { what: 'started'; by: 'consent' | 'personal_access_token' | 'assertion' }
  | { what: 'ended'; by: 'user' | 'administrator' | 'client' | 'reuse' | 'suspicious_replay' };

/** Reads what an audit event says of a grant; undefined where it says nothing of one. */
export function grantChange({ type, outcome, detail = {} }: AuditEvent): GrantChange | undefined {
  switch (type) {
    case 'consent.decided':
      return outcome === 'success' ? { what: 'started', by: 'consent' } : undefined;
    case 'personal_access_token.issued':
      return outcome === 'success' ? { what: 'started', by: 'personal_access_token' } : undefined;
    case 'token.issued':
      // The word of an identity provider gives a grant with the first token, and says so.
      return detail.grant === 'new' ? { what: 'started', by: 'assertion' } : undefined;
    case 'token.reuse_detected':
      return { what: 'ended', by: 'reuse' };
    case 'grant.revoked':
    case 'personal_access_token.revoked':
      return { what: 'ended', by: enderOf(detail) };
    default:
      return undefined;
  }
}

/** Administrators' changes name the client that they came through, the account page names itself, a replay says why. */
function enderOf(detail: AuditEvent['detail'] = {}): Extract<GrantChange, { what: 'ended' }>['by'] {
  if (detail.why !== undefined) return 'suspicious_replay';
  if (detail.through !== undefined) return 'administrator';
  return detail.by === 'account page' ? 'user' : 'client';
}
