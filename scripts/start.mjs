import { root } from './prepare/root.mjs';
import { main } from './prepare/step.mjs';
import { prepare } from './prepare.mjs';
import { authorizationServer, mcpServer, withAddresses } from './start/servers.mjs';
import { superviseServers } from './start/supervise.mjs';

await main(async () => {
  const runtime = await prepare();
  const env = withAddresses(process.env);
  return superviseServers({ runtime, root, servers: [authorizationServer(env), mcpServer(env)] });
});
