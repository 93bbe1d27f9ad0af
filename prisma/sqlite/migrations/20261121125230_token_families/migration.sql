-- AlterTable
ALTER TABLE "AuthorizationCode" ADD COLUMN "parallelUntil" DATETIME;

-- RedefineTables
PRAGMA defer_foreign_keys=ON;
PRAGMA foreign_keys=OFF;
CREATE TABLE "new_RefreshToken" (
    "id" TEXT NOT NULL PRIMARY KEY,
    "grantId" TEXT NOT NULL,
    "clientId" TEXT NOT NULL,
    "userId" TEXT NOT NULL,
    "scope" TEXT,
    "resource" TEXT,
    "keyThumbprint" TEXT,
    "rotations" INTEGER,
    "detail" TEXT NOT NULL,
    "issuedAt" DATETIME NOT NULL,
    "firstIssuedAt" DATETIME NOT NULL,
    "expiresAt" DATETIME NOT NULL,
    "consumedAt" DATETIME,
    "successorId" TEXT,
    "requestFingerprint" TEXT,
    "sealedAnswer" TEXT,
    "answerExpiresAt" DATETIME,
    "replays" INTEGER NOT NULL DEFAULT 0
);
INSERT INTO "new_RefreshToken" ("clientId", "consumedAt", "detail", "expiresAt", "firstIssuedAt", "grantId", "id", "issuedAt", "keyThumbprint", "requestFingerprint", "resource", "rotations", "scope", "sealedAnswer", "successorId", "userId") SELECT "clientId", "consumedAt", "detail", "expiresAt", "firstIssuedAt", "grantId", "id", "issuedAt", "keyThumbprint", "requestFingerprint", "resource", "rotations", "scope", "sealedAnswer", "successorId", "userId" FROM "RefreshToken";
DROP TABLE "RefreshToken";
ALTER TABLE "new_RefreshToken" RENAME TO "RefreshToken";
CREATE INDEX "RefreshToken_grantId_idx" ON "RefreshToken"("grantId");
CREATE INDEX "RefreshToken_userId_clientId_idx" ON "RefreshToken"("userId", "clientId");
CREATE INDEX "RefreshToken_clientId_idx" ON "RefreshToken"("clientId");
CREATE INDEX "RefreshToken_expiresAt_idx" ON "RefreshToken"("expiresAt");
CREATE INDEX "RefreshToken_answerExpiresAt_idx" ON "RefreshToken"("answerExpiresAt");
PRAGMA foreign_keys=ON;
PRAGMA defer_foreign_keys=OFF;
