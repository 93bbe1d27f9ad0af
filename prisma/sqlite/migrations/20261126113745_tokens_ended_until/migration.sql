-- AlterTable
ALTER TABLE "Grant" ADD COLUMN "tokensEndedUntil" DATETIME;
