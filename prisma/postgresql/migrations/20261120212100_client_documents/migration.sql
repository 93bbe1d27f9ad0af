-- AlterTable
ALTER TABLE "Grant" ADD COLUMN     "documentVersion" TEXT;

-- CreateTable
CREATE TABLE "RemoteDocument" (
    "id" TEXT NOT NULL,
    "url" TEXT NOT NULL,
    "body" TEXT,
    "fetchedAt" TIMESTAMP(3),
    "freshUntil" TIMESTAMP(3),
    "failure" TEXT,
    "nextFetchAt" TIMESTAMP(3),
    "leaseUntil" TIMESTAMP(3),
    "expiresAt" TIMESTAMP(3) NOT NULL,

    CONSTRAINT "RemoteDocument_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "ClientDocumentVersion" (
    "id" TEXT NOT NULL,
    "clientId" TEXT NOT NULL,
    "body" TEXT NOT NULL,
    "expiresAt" TIMESTAMP(3) NOT NULL,

    CONSTRAINT "ClientDocumentVersion_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "ClientApproval" (
    "id" TEXT NOT NULL,
    "clientId" TEXT NOT NULL,
    "approved" BOOLEAN,
    "createdAt" TIMESTAMP(3) NOT NULL,
    "decidedAt" TIMESTAMP(3),
    "expiresAt" TIMESTAMP(3),

    CONSTRAINT "ClientApproval_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE INDEX "RemoteDocument_expiresAt_idx" ON "RemoteDocument"("expiresAt");

-- CreateIndex
CREATE INDEX "ClientDocumentVersion_expiresAt_idx" ON "ClientDocumentVersion"("expiresAt");

-- CreateIndex
CREATE INDEX "ClientApproval_expiresAt_idx" ON "ClientApproval"("expiresAt");
