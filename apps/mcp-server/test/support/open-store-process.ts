// Run as a process of its own: opens the store that its arguments name, says how many tickets it holds, and ends.
import { Secret } from '@portcullis/platform';
import { openStore } from '../../src/store/open-store.ts';
import { silentLogger } from './silent-logger.ts';

const [dataDir = '', url] = process.argv.slice(2);
const store = await openStore(
  { dataDir, databaseUrl: url ? new Secret(url) : undefined },
  { logger: silentLogger, now: () => new Date() },
);
const tickets = await store.seenBy({ subject: 'nobody', seesAll: false }).search({ limit: 1000 });
process.stdout.write(String(tickets.length));
await store.close();
