import { createLogger, type Logger, runProcess, systemClock } from '@portcullis/platform';
import { readConfig } from './config.ts';
import { createMcpServer } from './server.ts';

let logger: Logger | undefined;

runProcess({
  logger: () => logger,
  async start() {
    const config = readConfig();
    logger = createLogger({ name: 'mcp-server', level: config.logLevel });
    const server = await createMcpServer(config, { logger, now: systemClock });
    logger.info({ url: config.mcpUrl, port: server.port }, 'the MCP server is listening');
    return server;
  },
});
