-- AlterTable
ALTER TABLE "LinkedIdentity" ADD COLUMN     "givenRoles" TEXT NOT NULL DEFAULT '',
ADD COLUMN     "label" TEXT;
