import { createLogger, type Logger, runProcess, systemClock } from '@portcullis/platform';
import { startTracing } from '@portcullis/platform/watching';
import { readConfig, readStdioConfig } from './config.ts';
import { createMcpServer } from './server.ts';
import { startStdio } from './stdio/stdio-mode.ts';

let logger: Logger | undefined;

async function serve() {
  const config = readConfig(undefined, { split: process.argv.includes('--split') });
  logger = createLogger({ name: 'mcp-server', level: config.logLevel });
  const tracing = await startTracing(config.tracing, logger);
  const server = await createMcpServer(config, { logger, now: systemClock });
  logger.info({ url: config.mcpUrl, port: server.port }, 'the MCP server is listening');
  return {
    ...server,
    async close() {
      await server.close();
      await tracing.close();
    },
  };
}

runProcess({
  logger: () => logger,
  start: async () => (process.argv.includes('--stdio') ? startStdio(readStdioConfig()) : serve()),
});
