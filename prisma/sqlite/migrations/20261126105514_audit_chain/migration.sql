-- CreateTable
CREATE TABLE "AuditSegment" (
    "firstSeq" BIGINT NOT NULL PRIMARY KEY,
    "lastSeq" BIGINT NOT NULL,
    "lastHash" TEXT NOT NULL,
    "statement" TEXT NOT NULL,
    "closedAt" DATETIME NOT NULL
);

-- CreateIndex
CREATE UNIQUE INDEX "AuditSegment_lastSeq_key" ON "AuditSegment"("lastSeq");

-- What is recorded stays as it is: a record is sealed once, and removed once it was moved out into a segment.
CREATE TRIGGER "AuditEvent_unchanged" BEFORE UPDATE OF
  "id", "time", "type", "outcome", "subject", "client", "resource", "tool", "arguments", "sizeBytes", "durationMs",
  "address", "correlationId", "detail"
  ON "AuditEvent"
BEGIN
  SELECT RAISE(ABORT, 'audit records cannot be changed or removed');
END;

CREATE TRIGGER "AuditEvent_sealed_once" BEFORE UPDATE ON "AuditEvent" WHEN OLD."seq" IS NOT NULL
BEGIN
  SELECT RAISE(ABORT, 'audit records cannot be changed or removed');
END;

CREATE TRIGGER "AuditEvent_kept" BEFORE DELETE ON "AuditEvent"
  WHEN NOT EXISTS (SELECT 1 FROM "AuditSegment" WHERE "lastSeq" >= OLD."seq")
BEGIN
  SELECT RAISE(ABORT, 'audit records cannot be removed before they were moved out');
END;
