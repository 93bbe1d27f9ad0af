// Lets an administrator back in, on the host itself: npm run recover -- ada@example.com
import { spawnSync } from 'node:child_process';
import { root } from './prepare/root.mjs';
import { main } from './prepare/step.mjs';
import { prepare } from './prepare.mjs';
import { withAddresses } from './start/servers.mjs';

await main(async () => {
  const runtime = await prepare();
  const program = 'apps/authorization-server/dist/recover.js';
  const env = withAddresses(process.env);
  return spawnSync(runtime, [program, ...process.argv.slice(2)], { cwd: root, env, stdio: 'inherit' }).status ?? 1;
});
