-- CreateEnum
CREATE TYPE "ClientReview" AS ENUM ('approved', 'pending', 'rejected');

-- CreateEnum
CREATE TYPE "ClientRemoval" AS ENUM ('expired', 'deleted');

-- AlterTable
ALTER TABLE "Client" ADD COLUMN     "allowedResources" TEXT,
ADD COLUMN     "allowedScopes" TEXT,
ADD COLUMN     "firstParty" BOOLEAN NOT NULL DEFAULT false,
ADD COLUMN     "managementTokenHash" TEXT,
ADD COLUMN     "previousSecretExpiresAt" TIMESTAMP(3),
ADD COLUMN     "previousSecretHash" TEXT,
ADD COLUMN     "reuseKey" TEXT,
ADD COLUMN     "review" "ClientReview" NOT NULL DEFAULT 'approved';

-- CreateTable
CREATE TABLE "ClientTombstone" (
    "id" TEXT NOT NULL,
    "name" TEXT,
    "removal" "ClientRemoval" NOT NULL,
    "removedAt" TIMESTAMP(3) NOT NULL,
    "expiresAt" TIMESTAMP(3) NOT NULL,

    CONSTRAINT "ClientTombstone_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "RegistrationToken" (
    "id" TEXT NOT NULL,
    "tokenHash" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "maxUses" INTEGER,
    "uses" INTEGER NOT NULL DEFAULT 0,
    "createdAt" TIMESTAMP(3) NOT NULL,
    "expiresAt" TIMESTAMP(3) NOT NULL,
    "lastUsedAt" TIMESTAMP(3),
    "revokedAt" TIMESTAMP(3),

    CONSTRAINT "RegistrationToken_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE INDEX "ClientTombstone_expiresAt_idx" ON "ClientTombstone"("expiresAt");

-- CreateIndex
CREATE UNIQUE INDEX "RegistrationToken_tokenHash_key" ON "RegistrationToken"("tokenHash");

-- CreateIndex
CREATE INDEX "RegistrationToken_expiresAt_idx" ON "RegistrationToken"("expiresAt");

-- CreateIndex
CREATE UNIQUE INDEX "Client_reuseKey_key" ON "Client"("reuseKey");

-- CreateIndex
CREATE INDEX "Client_review_idx" ON "Client"("review");
