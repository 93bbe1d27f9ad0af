-- CreateTable
CREATE TABLE "UpstreamRevocation" (
    "id" TEXT NOT NULL,
    "userId" TEXT NOT NULL,
    "upstream" TEXT NOT NULL,
    "subject" TEXT,
    "sealedTokens" TEXT NOT NULL,
    "since" TIMESTAMP(3) NOT NULL,
    "dueAt" TIMESTAMP(3) NOT NULL,

    CONSTRAINT "UpstreamRevocation_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE INDEX "UpstreamRevocation_dueAt_idx" ON "UpstreamRevocation"("dueAt");

-- CreateIndex
CREATE INDEX "UpstreamRevocation_upstream_subject_idx" ON "UpstreamRevocation"("upstream", "subject");

-- CreateIndex
CREATE INDEX "UpstreamRevocation_userId_upstream_idx" ON "UpstreamRevocation"("userId", "upstream");

-- CreateIndex
CREATE INDEX "UpstreamConnection_upstream_subject_idx" ON "UpstreamConnection"("upstream", "subject");
