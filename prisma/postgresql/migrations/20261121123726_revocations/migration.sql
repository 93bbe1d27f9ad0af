-- CreateTable
CREATE TABLE "Revocation" (
    "id" TEXT NOT NULL,
    "position" BIGINT NOT NULL,
    "grantId" TEXT NOT NULL,
    "resource" TEXT NOT NULL,
    "issuedUntil" TIMESTAMP(3),
    "revokedAt" TIMESTAMP(3) NOT NULL,
    "expiresAt" TIMESTAMP(3) NOT NULL,

    CONSTRAINT "Revocation_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE INDEX "Revocation_position_idx" ON "Revocation"("position");

-- CreateIndex
CREATE INDEX "Revocation_resource_expiresAt_idx" ON "Revocation"("resource", "expiresAt");

-- CreateIndex
CREATE INDEX "Revocation_grantId_idx" ON "Revocation"("grantId");

-- CreateIndex
CREATE INDEX "Revocation_expiresAt_idx" ON "Revocation"("expiresAt");
