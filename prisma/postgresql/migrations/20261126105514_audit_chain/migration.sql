-- CreateTable
CREATE TABLE "AuditSegment" (
    "firstSeq" BIGINT NOT NULL,
    "lastSeq" BIGINT NOT NULL,
    "lastHash" TEXT NOT NULL,
    "statement" TEXT NOT NULL,
    "closedAt" TIMESTAMP(3) NOT NULL,

    CONSTRAINT "AuditSegment_pkey" PRIMARY KEY ("firstSeq")
);

-- CreateIndex
CREATE UNIQUE INDEX "AuditSegment_lastSeq_key" ON "AuditSegment"("lastSeq");

-- What is recorded stays as it is: a record is sealed once, and removed once it was moved out into a segment.
CREATE FUNCTION "audit_event_refuse"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'audit records cannot be changed or removed';
END
$$;

-- The temporary schema last: it is searched first otherwise, and anybody may make tables there.
CREATE FUNCTION "audit_event_may_leave"() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
  IF EXISTS (SELECT 1 FROM "AuditSegment" WHERE "lastSeq" >= OLD."seq") THEN RETURN OLD; END IF;
  RAISE EXCEPTION 'audit records cannot be removed before they were moved out';
END
$$;

CREATE TRIGGER "AuditEvent_unchanged" BEFORE UPDATE OF
  "id", "time", "type", "outcome", "subject", "client", "resource", "tool", "arguments", "sizeBytes", "durationMs",
  "address", "correlationId", "detail"
  ON "AuditEvent" FOR EACH ROW EXECUTE FUNCTION "audit_event_refuse"();

CREATE TRIGGER "AuditEvent_sealed_once" BEFORE UPDATE ON "AuditEvent"
  FOR EACH ROW WHEN (OLD."seq" IS NOT NULL) EXECUTE FUNCTION "audit_event_refuse"();

CREATE TRIGGER "AuditEvent_kept" BEFORE DELETE ON "AuditEvent"
  FOR EACH ROW EXECUTE FUNCTION "audit_event_may_leave"();

CREATE TRIGGER "AuditEvent_not_emptied" BEFORE TRUNCATE ON "AuditEvent"
  FOR EACH STATEMENT EXECUTE FUNCTION "audit_event_refuse"();
