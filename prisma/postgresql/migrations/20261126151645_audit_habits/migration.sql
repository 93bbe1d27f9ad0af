-- CreateIndex
CREATE INDEX "AuditEvent_subject_client_type_time_idx" ON "AuditEvent"("subject", "client", "type", "time");
