-- AlterTable
ALTER TABLE "Client" ADD COLUMN "resourceServer" TEXT;

-- CreateIndex
CREATE UNIQUE INDEX "Client_resourceServer_key" ON "Client"("resourceServer");
