/** What the audit trail knows about, from the sign-in to the tool call (SP-37). */
export const AUDIT_EVENT_TYPES = [
  'setup.completed',
  'user.password_set',
  'user.signed_in',
  'user.signed_out',
  'client.registered',
  'client.updated',
  'client.deleted',
  'client.authentication_failed',
  'consent.decided',
  'consent.reused',
  'code.issued',
  'token.issued',
  'token.refused',
  'token.refreshed',
  'token.replayed',
  'token.reuse_detected',
  'grant.revoked',
  'grant.narrowed',
  'tool.called',
  'confirmation.asked',
  'confirmation.approved',
  'confirmation.denied',
  'confirmation.used',
  'user.created',
  'user.updated',
  'user.password_reset',
  'user.disabled',
  'user.enabled',
  'user.recovered',
  'user.identity_linked',
  'user.identity_unlinked',
  'client.secret_rotated',
  'client.disabled',
  'client.enabled',
  'client.approved',
  'client.rejected',
  'registration_token.issued',
  'registration_token.revoked',
  'personal_access_token.issued',
  'personal_access_token.used',
  'personal_access_token.revoked',
  'key.created',
  'key.rotated',
  'key.retired',
  'upstream.connected',
  'upstream.refused',
  'upstream.disconnected',
  'upstream.revoked',
  'upstream_token.issued',
  'resource.added',
  'resource.removed',
  'resource.credentials_issued',
  'admin.refused',
  'anomaly.raised',
  'audit.moved_out',
  'database.restored',
  'request.refused',
] as const;

/** One of {@link AUDIT_EVENT_TYPES}. */
export type AuditEventType = (typeof AUDIT_EVENT_TYPES)[number];

/** How it ended: done, failed by a fault, or refused. */
export type AuditOutcome = 'success' | 'error' | 'denied';

/** One record of who did what. It never holds a token, code, secret or password. */
export type AuditEvent = {
  time: Date;
  type: AuditEventType;
  outcome: AuditOutcome;
  /** The user, or the client where it acts for itself. */
  subject?: string;
  client?: string;
  resource?: string;
  tool?: string;
  /** The network address the request came from. */
  address?: string;
  correlationId?: string;
  durationMs?: number;
  sizeBytes?: number;
  /** Arguments with secrets and personal values already taken out. */
  arguments?: Readonly<Record<string, unknown>>;
  /** What else an investigator needs, redacted likewise. */
  detail?: Readonly<Record<string, unknown>>;
};

/** Where audit events go. */
export type AuditSink = {
  /** Resolves when the event is durable. */
  record(event: AuditEvent): Promise<void>;
};
