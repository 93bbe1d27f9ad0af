export {
  ADMIN_API_PATH,
  ADMIN_OPERATIONS,
  ADMIN_SCOPES,
  type AdminAnswer,
  type AdminInput,
  type AdminOperation,
  type AdminOperationName,
  type AdminProblem,
  type AdminRequest,
  type AdminScope,
  adminProblem,
  adminResourceUrl,
  CLI_CLIENT_ID,
} from './admin-contract.ts';
export {
  CHAIN_START,
  type ChainBreak,
  type ChainPosition,
  chainBreak,
  hasCanonicalForm,
  recordHash,
  type SealedAuditRecord,
} from './audit-chain.ts';
export {
  AUDIT_EVENT_TYPES,
  type AuditEvent,
  type AuditEventType,
  type AuditOutcome,
  type AuditSink,
} from './audit-event.ts';
export {
  AUDIT_REPORT_LIMITS,
  AUDIT_REPORT_PATH,
  auditReport,
  auditReportAnswer,
  type ReportedAuditRecord,
  reportedAuditRecord,
} from './audit-report.ts';
export { readCertificateProxy } from './certificate-proxy.ts';
export { type Clock, systemClock } from './clock.ts';
export { createDeparture, type Departure } from './departure.ts';
export { type EnvironmentReader, environmentReader, isLoopbackHost } from './environment.ts';
export { errorCode } from './error-code.ts';
export { type FolderLock, lockFolder } from './folder-lock.ts';
export { idleConnectionMs, type Listening, type ListenOptions, listen } from './listen.ts';
export { createLogger, LOG_LEVELS, type Logger, type LoggerOptions } from './logger.ts';
export { type ProcessOptions, type Running, runProcess } from './process.ts';
export { timeOrderedIds } from './record-id.ts';
export { withReadableTarget } from './request-target.ts';
export {
  checkScopeNames,
  resourceFields,
  roleName,
  scopeName,
  type UpstreamUse,
  upstreamName,
  upstreamScope,
} from './resource-definition.ts';
export { Secret } from './secret.ts';
export { StartupError } from './startup-error.ts';
