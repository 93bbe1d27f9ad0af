-- AlterTable
ALTER TABLE "LinkedIdentity" ADD COLUMN     "addedByUser" BOOLEAN NOT NULL DEFAULT false;
