-- AlterTable
ALTER TABLE "Grant" ADD COLUMN "assertedFor" TEXT;
ALTER TABLE "Grant" ADD COLUMN "identityProvider" TEXT;

-- CreateTable
CREATE TABLE "LinkedIdentity" (
    "id" TEXT NOT NULL PRIMARY KEY,
    "issuer" TEXT NOT NULL,
    "subject" TEXT NOT NULL,
    "userId" TEXT NOT NULL,
    "createdAt" DATETIME NOT NULL,
    "lastUsedAt" DATETIME
);

-- CreateIndex
CREATE INDEX "LinkedIdentity_userId_idx" ON "LinkedIdentity"("userId");

-- CreateIndex
CREATE UNIQUE INDEX "Grant_assertedFor_key" ON "Grant"("assertedFor");
