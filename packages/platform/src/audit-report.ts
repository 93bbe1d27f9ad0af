import { z } from 'zod';

/** Where a resource server sends its audit records, below the issuer. */
export const AUDIT_REPORT_PATH = '/internal/audit';

/** What one request may hold. */
export const AUDIT_REPORT_LIMITS = { records: 100, recordBytes: 8192, bodyBytes: 1_048_576 } as const;

const text = (maxLength: number) => z.string().max(maxLength);
const members = z.record(z.string(), z.unknown());

/** An audit record of a resource server. Its resource is that of the server that sends it. */
export const reportedAuditRecord = z.strictObject({
  /** Chosen by the sender, behind the time in 12 digits: a record that is sent twice is stored once. */
  id: z.string().regex(/^[0-9a-f]{32}$/),
  time: z.iso.datetime(),
  type: z.enum(['tool.called', 'request.refused']),
  outcome: z.enum(['success', 'error', 'denied']),
  subject: text(300).exactOptional(),
  client: text(2048).exactOptional(),
  tool: text(100).exactOptional(),
  address: text(64).exactOptional(),
  correlationId: text(64).exactOptional(),
  durationMs: z.int().min(0).max(2_147_483_647).exactOptional(),
  sizeBytes: z.int().min(0).max(2_147_483_647).exactOptional(),
  arguments: members.exactOptional(),
  detail: members.exactOptional(),
});

/** An audit record of a resource server. */
export type ReportedAuditRecord = z.infer<typeof reportedAuditRecord>;

/** What a resource server sends; the records are judged one by one. */
export const auditReport = z.strictObject({
  resource: z.string(),
  records: z.array(z.unknown()).min(1).max(AUDIT_REPORT_LIMITS.records),
});

/** What it is answered: how many are stored now, or were before, and the places of those that cannot be. */
export const auditReportAnswer = z.object({ stored: z.int(), refused: z.array(z.int()) });
