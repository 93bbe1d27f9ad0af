-- AlterTable
ALTER TABLE "Grant" ADD COLUMN "lastUsedAt" DATETIME;

-- CreateTable
CREATE TABLE "SignIn" (
    "id" TEXT NOT NULL PRIMARY KEY,
    "userId" TEXT NOT NULL,
    "accessEpoch" INTEGER NOT NULL,
    "signedInAt" DATETIME NOT NULL,
    "lastSeenAt" DATETIME NOT NULL,
    "browser" TEXT NOT NULL,
    "address" TEXT NOT NULL,
    "expiresAt" DATETIME NOT NULL,
    "endedAt" DATETIME
);

-- AlterTable
-- By hand: Prisma would rewrite the table, for which there is no need.
ALTER TABLE "User" ADD COLUMN "accessEpoch" INTEGER NOT NULL DEFAULT 0;

-- CreateIndex
CREATE INDEX "SignIn_userId_idx" ON "SignIn"("userId");

-- CreateIndex
CREATE INDEX "SignIn_expiresAt_idx" ON "SignIn"("expiresAt");
