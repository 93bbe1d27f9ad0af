-- RedefineTables
PRAGMA defer_foreign_keys=ON;
PRAGMA foreign_keys=OFF;
CREATE TABLE "new_SigningKey" (
    "id" TEXT NOT NULL PRIMARY KEY,
    "alg" TEXT NOT NULL,
    "sealedKey" TEXT,
    "sequence" INTEGER NOT NULL,
    "createdAt" DATETIME NOT NULL,
    "activatesAt" DATETIME NOT NULL,
    "overlapSeconds" INTEGER NOT NULL,
    "retiredAt" DATETIME
);
-- The only key that there can be is the first one, which has signed since it was made.
INSERT INTO "new_SigningKey" ("alg", "createdAt", "id", "retiredAt", "sealedKey", "sequence", "activatesAt", "overlapSeconds") SELECT "alg", "createdAt", "id", "retiredAt", "sealedKey", 1, COALESCE("activatedAt", "createdAt"), 7200 FROM "SigningKey";
DROP TABLE "SigningKey";
ALTER TABLE "new_SigningKey" RENAME TO "SigningKey";
CREATE UNIQUE INDEX "SigningKey_sequence_key" ON "SigningKey"("sequence");
PRAGMA foreign_keys=ON;
PRAGMA defer_foreign_keys=OFF;
