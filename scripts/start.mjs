import { root } from './prepare/root.mjs';
import { main } from './prepare/step.mjs';
import { prepare } from './prepare.mjs';
import { authorizationServer, mcpServer } from './start/servers.mjs';
import { superviseServers } from './start/supervise.mjs';

await main(async () => {
  const runtime = await prepare();
  return superviseServers({ runtime, root, servers: [authorizationServer(process.env), mcpServer(process.env)] });
});
