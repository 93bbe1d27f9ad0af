-- CreateTable
CREATE TABLE "UpstreamAgreement" (
    "grantId" TEXT NOT NULL PRIMARY KEY,
    "upstream" TEXT NOT NULL,
    "scopes" TEXT NOT NULL,
    "connectionId" TEXT,
    CONSTRAINT "UpstreamAgreement_grantId_fkey" FOREIGN KEY ("grantId") REFERENCES "Grant" ("id") ON DELETE CASCADE ON UPDATE CASCADE,
    CONSTRAINT "UpstreamAgreement_connectionId_fkey" FOREIGN KEY ("connectionId") REFERENCES "UpstreamConnection" ("id") ON DELETE SET NULL ON UPDATE CASCADE
);

-- CreateTable
CREATE TABLE "UpstreamConnection" (
    "id" TEXT NOT NULL PRIMARY KEY,
    "userId" TEXT NOT NULL,
    "upstream" TEXT NOT NULL,
    "subject" TEXT NOT NULL,
    "scopes" TEXT NOT NULL,
    "label" TEXT,
    "sealedTokens" TEXT NOT NULL,
    "accessExpiresAt" DATETIME,
    "connectedAt" DATETIME NOT NULL,
    "refreshedAt" DATETIME,
    "leaseUntil" DATETIME,
    "endedAt" DATETIME
);

-- CreateTable
CREATE TABLE "UpstreamFlow" (
    "id" TEXT NOT NULL PRIMARY KEY,
    "interactionHash" TEXT NOT NULL,
    "browserHash" TEXT NOT NULL,
    "upstream" TEXT NOT NULL,
    "phase" TEXT NOT NULL,
    "sealed" TEXT NOT NULL,
    "expiresAt" DATETIME NOT NULL
);

-- CreateIndex
CREATE INDEX "UpstreamAgreement_connectionId_idx" ON "UpstreamAgreement"("connectionId");

-- CreateIndex
CREATE INDEX "UpstreamConnection_userId_upstream_idx" ON "UpstreamConnection"("userId", "upstream");

-- CreateIndex
CREATE INDEX "UpstreamFlow_interactionHash_phase_idx" ON "UpstreamFlow"("interactionHash", "phase");

-- CreateIndex
CREATE INDEX "UpstreamFlow_expiresAt_idx" ON "UpstreamFlow"("expiresAt");
