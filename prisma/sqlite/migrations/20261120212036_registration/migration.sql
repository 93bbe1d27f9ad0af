-- CreateTable
CREATE TABLE "ClientTombstone" (
    "id" TEXT NOT NULL PRIMARY KEY,
    "name" TEXT,
    "removal" TEXT NOT NULL,
    "removedAt" DATETIME NOT NULL,
    "expiresAt" DATETIME NOT NULL
);

-- CreateTable
CREATE TABLE "RegistrationToken" (
    "id" TEXT NOT NULL PRIMARY KEY,
    "tokenHash" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "maxUses" INTEGER,
    "uses" INTEGER NOT NULL DEFAULT 0,
    "createdAt" DATETIME NOT NULL,
    "expiresAt" DATETIME NOT NULL,
    "lastUsedAt" DATETIME,
    "revokedAt" DATETIME
);

-- RedefineTables
PRAGMA defer_foreign_keys=ON;
PRAGMA foreign_keys=OFF;
CREATE TABLE "new_Client" (
    "id" TEXT NOT NULL PRIMARY KEY,
    "registration" TEXT NOT NULL,
    "name" TEXT,
    "applicationType" TEXT,
    "tokenEndpointAuthMethod" TEXT,
    "redirectUris" TEXT,
    "grantTypes" TEXT,
    "secretHash" TEXT,
    "previousSecretHash" TEXT,
    "previousSecretExpiresAt" DATETIME,
    "metadata" TEXT NOT NULL,
    "managementTokenHash" TEXT,
    "reuseKey" TEXT,
    "review" TEXT NOT NULL DEFAULT 'approved',
    "firstParty" BOOLEAN NOT NULL DEFAULT false,
    "allowedScopes" TEXT,
    "allowedResources" TEXT,
    "createdAt" DATETIME NOT NULL,
    "updatedAt" DATETIME NOT NULL,
    "lastUsedAt" DATETIME,
    "expiresAt" DATETIME,
    "disabledAt" DATETIME
);
INSERT INTO "new_Client" ("applicationType", "createdAt", "disabledAt", "expiresAt", "grantTypes", "id", "lastUsedAt", "metadata", "name", "redirectUris", "registration", "secretHash", "tokenEndpointAuthMethod", "updatedAt") SELECT "applicationType", "createdAt", "disabledAt", "expiresAt", "grantTypes", "id", "lastUsedAt", "metadata", "name", "redirectUris", "registration", "secretHash", "tokenEndpointAuthMethod", "updatedAt" FROM "Client";
DROP TABLE "Client";
ALTER TABLE "new_Client" RENAME TO "Client";
CREATE UNIQUE INDEX "Client_reuseKey_key" ON "Client"("reuseKey");
CREATE INDEX "Client_expiresAt_idx" ON "Client"("expiresAt");
CREATE INDEX "Client_review_idx" ON "Client"("review");
PRAGMA foreign_keys=ON;
PRAGMA defer_foreign_keys=OFF;

-- CreateIndex
CREATE INDEX "ClientTombstone_expiresAt_idx" ON "ClientTombstone"("expiresAt");

-- CreateIndex
CREATE UNIQUE INDEX "RegistrationToken_tokenHash_key" ON "RegistrationToken"("tokenHash");

-- CreateIndex
CREATE INDEX "RegistrationToken_expiresAt_idx" ON "RegistrationToken"("expiresAt");
