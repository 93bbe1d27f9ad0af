// A process that records and seals until it is killed. Says so once it has begun.
import { createAuditChain } from '../../src/audit-chain.ts';
import { createAuditLog } from '../../src/audit-log.ts';
import { openDatabase } from '../../src/database.ts';

const [url = ''] = process.argv.slice(2);
const db = await openDatabase({ url });
const log = createAuditLog(db);
const chain = createAuditChain(db);
for (let times = 0; ; times++) {
  await Promise.all(
    Array.from({ length: 20 }, () => log.record({ time: new Date(), type: 'token.issued', outcome: 'success' })),
  );
  await chain.seal();
  if (times === 0) process.stdout.write('sealing\n');
}
