-- AlterTable
ALTER TABLE "Grant" ADD COLUMN "documentVersion" TEXT;

-- CreateTable
CREATE TABLE "RemoteDocument" (
    "id" TEXT NOT NULL PRIMARY KEY,
    "url" TEXT NOT NULL,
    "body" TEXT,
    "fetchedAt" DATETIME,
    "freshUntil" DATETIME,
    "failure" TEXT,
    "nextFetchAt" DATETIME,
    "leaseUntil" DATETIME,
    "expiresAt" DATETIME NOT NULL
);

-- CreateTable
CREATE TABLE "ClientDocumentVersion" (
    "id" TEXT NOT NULL PRIMARY KEY,
    "clientId" TEXT NOT NULL,
    "body" TEXT NOT NULL,
    "expiresAt" DATETIME NOT NULL
);

-- CreateTable
CREATE TABLE "ClientApproval" (
    "id" TEXT NOT NULL PRIMARY KEY,
    "clientId" TEXT NOT NULL,
    "approved" BOOLEAN,
    "createdAt" DATETIME NOT NULL,
    "decidedAt" DATETIME,
    "expiresAt" DATETIME
);

-- CreateIndex
CREATE INDEX "RemoteDocument_expiresAt_idx" ON "RemoteDocument"("expiresAt");

-- CreateIndex
CREATE INDEX "ClientDocumentVersion_expiresAt_idx" ON "ClientDocumentVersion"("expiresAt");

-- CreateIndex
CREATE INDEX "ClientApproval_expiresAt_idx" ON "ClientApproval"("expiresAt");
