import { root } from './prepare/root.mjs';
import { main } from './prepare/step.mjs';
import { prepare } from './prepare.mjs';
import { withMcpClientSecret } from './start/mcp-client-secret.mjs';
import { authorizationServer, mcpServer, withAddresses, withFewArenas, withSplit } from './start/servers.mjs';
import { superviseServers } from './start/supervise.mjs';

await main(async () => {
  const runtime = await prepare();
  const env = withMcpClientSecret(withSplit(withAddresses(withFewArenas(process.env)), process.argv.slice(2)), root);
  return superviseServers({ runtime, root, servers: [authorizationServer(env), mcpServer(env)] });
});
