// Fetches the URLs of standard input's JSON through the egress, in an environment that names a proxy, and prints what came.
import { text } from 'node:stream/consumers';
import { createEgress } from '@portcullis/authorization-server';

const { urls, unguarded } = JSON.parse(await text(process.stdin)) as { urls: string[]; unguarded: boolean };
const egress = createEgress({ timeoutMs: 1500 });
for (const url of urls) {
  if (unguarded) await fetch(url, { signal: AbortSignal.timeout(1500) }).catch(() => undefined);
  else process.stdout.write(`${JSON.stringify(await egress(url))}\n`);
}
