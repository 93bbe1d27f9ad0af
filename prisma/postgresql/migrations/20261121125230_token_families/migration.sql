-- AlterTable
ALTER TABLE "AuthorizationCode" ADD COLUMN     "parallelUntil" TIMESTAMP(3);

-- AlterTable
ALTER TABLE "RefreshToken" DROP COLUMN "claimedAt",
DROP COLUMN "rotatedAt",
ADD COLUMN     "answerExpiresAt" TIMESTAMP(3),
ADD COLUMN     "replays" INTEGER NOT NULL DEFAULT 0;

-- CreateIndex
CREATE INDEX "RefreshToken_answerExpiresAt_idx" ON "RefreshToken"("answerExpiresAt");
