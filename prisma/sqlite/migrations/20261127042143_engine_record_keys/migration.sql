-- DropIndex
DROP INDEX "EngineRecord_model_userCodeHash_idx";

-- DropIndex
DROP INDEX "EngineRecord_model_uid_idx";

-- CreateIndex
CREATE INDEX "EngineRecord_uid_idx" ON "EngineRecord"("uid");

-- CreateIndex
CREATE INDEX "EngineRecord_userCodeHash_idx" ON "EngineRecord"("userCodeHash");
