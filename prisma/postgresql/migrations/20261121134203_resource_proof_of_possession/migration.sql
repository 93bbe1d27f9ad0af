-- AlterTable
ALTER TABLE "Resource" ADD COLUMN     "proofOfPossession" TEXT;
