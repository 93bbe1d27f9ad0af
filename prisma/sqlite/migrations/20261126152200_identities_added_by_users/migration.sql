-- RedefineTables
PRAGMA defer_foreign_keys=ON;
PRAGMA foreign_keys=OFF;
CREATE TABLE "new_LinkedIdentity" (
    "id" TEXT NOT NULL PRIMARY KEY,
    "issuer" TEXT NOT NULL,
    "subject" TEXT NOT NULL,
    "userId" TEXT NOT NULL,
    "label" TEXT,
    "givenRoles" TEXT NOT NULL DEFAULT '',
    "addedByUser" BOOLEAN NOT NULL DEFAULT false,
    "createdAt" DATETIME NOT NULL,
    "lastUsedAt" DATETIME
);
INSERT INTO "new_LinkedIdentity" ("createdAt", "givenRoles", "id", "issuer", "label", "lastUsedAt", "subject", "userId") SELECT "createdAt", "givenRoles", "id", "issuer", "label", "lastUsedAt", "subject", "userId" FROM "LinkedIdentity";
DROP TABLE "LinkedIdentity";
ALTER TABLE "new_LinkedIdentity" RENAME TO "LinkedIdentity";
CREATE INDEX "LinkedIdentity_userId_idx" ON "LinkedIdentity"("userId");
PRAGMA foreign_keys=ON;
PRAGMA defer_foreign_keys=OFF;
