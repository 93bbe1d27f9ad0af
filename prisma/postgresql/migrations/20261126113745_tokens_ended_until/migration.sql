-- AlterTable
ALTER TABLE "Grant" ADD COLUMN     "tokensEndedUntil" TIMESTAMP(3);
