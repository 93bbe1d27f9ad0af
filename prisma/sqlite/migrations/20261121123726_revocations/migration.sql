-- CreateTable
CREATE TABLE "Revocation" (
    "id" TEXT NOT NULL PRIMARY KEY,
    "position" BIGINT NOT NULL,
    "grantId" TEXT NOT NULL,
    "resource" TEXT NOT NULL,
    "issuedUntil" DATETIME,
    "revokedAt" DATETIME NOT NULL,
    "expiresAt" DATETIME NOT NULL
);

-- CreateIndex
CREATE INDEX "Revocation_position_idx" ON "Revocation"("position");

-- CreateIndex
CREATE INDEX "Revocation_resource_expiresAt_idx" ON "Revocation"("resource", "expiresAt");

-- CreateIndex
CREATE INDEX "Revocation_grantId_idx" ON "Revocation"("grantId");

-- CreateIndex
CREATE INDEX "Revocation_expiresAt_idx" ON "Revocation"("expiresAt");
