-- DropIndex
DROP INDEX "SigningKey_initial_key";

-- AlterTable: the only key that there can be is the first one, which has signed since it was made.
ALTER TABLE "SigningKey" ADD COLUMN     "activatesAt" TIMESTAMP(3),
ADD COLUMN     "overlapSeconds" INTEGER NOT NULL DEFAULT 7200,
ADD COLUMN     "sequence" INTEGER NOT NULL DEFAULT 1;
UPDATE "SigningKey" SET "activatesAt" = COALESCE("activatedAt", "createdAt");
ALTER TABLE "SigningKey" DROP COLUMN "activatedAt",
DROP COLUMN "initial",
ALTER COLUMN "activatesAt" SET NOT NULL,
ALTER COLUMN "overlapSeconds" DROP DEFAULT,
ALTER COLUMN "sequence" DROP DEFAULT,
ALTER COLUMN "sealedKey" DROP NOT NULL;

-- CreateIndex
CREATE UNIQUE INDEX "SigningKey_sequence_key" ON "SigningKey"("sequence");
