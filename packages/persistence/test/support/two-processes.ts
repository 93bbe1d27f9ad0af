// One of two processes on one database: adds rows and consumes codes that the other wants too. Prints how many it consumed.
import { createHash } from 'node:crypto';
import { openDatabase } from '../../src/database.ts';

const [url = '', name = '', count = '0'] = process.argv.slice(2);
const db = await openDatabase({ url });
const now = new Date();
let consumed = 0;
for (let index = 0; index < Number(count); index += 1) {
  await db.prisma.oneTimeLink.create({
    data: { id: `${name}-${index}`, purpose: 'setup', createdAt: now, expiresAt: now },
  });
  const id = createHash('sha256').update(`code-${index}`).digest('base64url');
  const result = await db.prisma.$transaction(async (transaction) => {
    await transaction.authorizationCode.findUnique({ where: { id } });
    return transaction.authorizationCode.updateMany({ where: { id, consumedAt: null }, data: { consumedAt: now } });
  });
  consumed += result.count;
}
await db.close();
process.stdout.write(String(consumed));
