-- AlterTable
ALTER TABLE "Resource" ADD COLUMN "upstream" TEXT;
