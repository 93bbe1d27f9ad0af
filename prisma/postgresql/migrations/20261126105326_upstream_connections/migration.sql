-- CreateTable
CREATE TABLE "UpstreamAgreement" (
    "grantId" TEXT NOT NULL,
    "upstream" TEXT NOT NULL,
    "scopes" TEXT NOT NULL,
    "connectionId" TEXT,

    CONSTRAINT "UpstreamAgreement_pkey" PRIMARY KEY ("grantId")
);

-- CreateTable
CREATE TABLE "UpstreamConnection" (
    "id" TEXT NOT NULL,
    "userId" TEXT NOT NULL,
    "upstream" TEXT NOT NULL,
    "subject" TEXT NOT NULL,
    "scopes" TEXT NOT NULL,
    "label" TEXT,
    "sealedTokens" TEXT NOT NULL,
    "accessExpiresAt" TIMESTAMP(3),
    "connectedAt" TIMESTAMP(3) NOT NULL,
    "refreshedAt" TIMESTAMP(3),
    "leaseUntil" TIMESTAMP(3),
    "endedAt" TIMESTAMP(3),

    CONSTRAINT "UpstreamConnection_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "UpstreamFlow" (
    "id" TEXT NOT NULL,
    "interactionHash" TEXT NOT NULL,
    "browserHash" TEXT NOT NULL,
    "upstream" TEXT NOT NULL,
    "phase" TEXT NOT NULL,
    "sealed" TEXT NOT NULL,
    "expiresAt" TIMESTAMP(3) NOT NULL,

    CONSTRAINT "UpstreamFlow_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE INDEX "UpstreamAgreement_connectionId_idx" ON "UpstreamAgreement"("connectionId");

-- CreateIndex
CREATE INDEX "UpstreamConnection_userId_upstream_idx" ON "UpstreamConnection"("userId", "upstream");

-- CreateIndex
CREATE INDEX "UpstreamFlow_interactionHash_phase_idx" ON "UpstreamFlow"("interactionHash", "phase");

-- CreateIndex
CREATE INDEX "UpstreamFlow_expiresAt_idx" ON "UpstreamFlow"("expiresAt");

-- AddForeignKey
ALTER TABLE "UpstreamAgreement" ADD CONSTRAINT "UpstreamAgreement_grantId_fkey" FOREIGN KEY ("grantId") REFERENCES "Grant"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "UpstreamAgreement" ADD CONSTRAINT "UpstreamAgreement_connectionId_fkey" FOREIGN KEY ("connectionId") REFERENCES "UpstreamConnection"("id") ON DELETE SET NULL ON UPDATE CASCADE;
