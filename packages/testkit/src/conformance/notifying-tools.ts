import { setTimeout as pause } from 'node:timers/promises';
import type { McpServer, ServerContext } from '@modelcontextprotocol/server';

/** The suite wants to see notifications arrive one by one, not in one burst. */
const stepMs = 50;

/** Registers the tools that say something before they answer: log lines, progress, a stream closed in the middle. */
export function registerNotifyingTools(server: McpServer): void {
  server.registerTool('test_tool_with_logging', { description: 'Writes three log lines' }, async (ctx) => {
    await ctx.mcpReq.log('info', 'Tool execution started');
    await pause(stepMs);
    await ctx.mcpReq.log('info', 'Tool processing data');
    await pause(stepMs);
    await ctx.mcpReq.log('info', 'Tool execution completed');
    return text('Wrote three log lines.');
  });

  server.registerTool('test_tool_with_progress', { description: 'Reports progress in three steps' }, async (ctx) => {
    await reportProgress(ctx, 0);
    await pause(stepMs);
    await reportProgress(ctx, 50);
    await pause(stepMs);
    await reportProgress(ctx, 100);
    return text('Reported progress.');
  });

  server.registerTool(
    'test_logging_tool',
    { description: 'Logs a line, which only a request that sets a log level may get' },
    async (ctx) => {
      await ctx.mcpReq.log('info', 'a line for those who asked for lines');
      return text('Logged, for whoever asked.');
    },
  );

  server.registerTool(
    'test_streaming_elicitation',
    { description: 'Answers on a stream that must carry no request of the server' },
    async (ctx) => {
      await reportProgress(ctx, 100);
      return text('Answered without a request of its own.');
    },
  );

  server.registerTool(
    'test_reconnection',
    { description: 'Closes its stream before the answer, so that the client must come back for it' },
    async (ctx) => {
      ctx.http?.closeSSE?.();
      await pause(2 * stepMs);
      return text('You came back for this.');
    },
  );
}

async function reportProgress(ctx: ServerContext, progress: number): Promise<void> {
  const progressToken = ctx.mcpReq._meta?.progressToken;
  if (progressToken === undefined) return;
  await ctx.mcpReq.notify({ method: 'notifications/progress', params: { progressToken, progress, total: 100 } });
}

function text(line: string) {
  return { content: [{ type: 'text' as const, text: line }] };
}
