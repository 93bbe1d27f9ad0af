import { join } from 'node:path';
import type { Clock, Logger } from '@portcullis/platform';
import type { Config } from '../config.ts';
import { startSender } from './sender.ts';
import { openSpool } from './spool.ts';
import { logToolCalls, recordToolCalls, type ToolAudit } from './tool-audit.ts';

/** Some hundred thousand calls: hours of a busy server whose authorization server is away. */
const SPOOL_BYTES = 64 * 1024 * 1024;

/**
 * Opens this server's part of the audit trail. Without a client secret the log alone is told: nobody would take records
 * from a stranger.
 *
 * @throws {StartupError} when the data folder cannot be written
 */
export function openAudit(
  config: Pick<Config, 'issuer' | 'mcpUrl' | 'dataDir' | 'clientId' | 'clientSecret'>,
  { logger, now, spoolBytes = SPOOL_BYTES }: { logger: Logger; now: Clock; spoolBytes?: number | undefined },
): ToolAudit & { close(): Promise<void> } {
  const { issuer, mcpUrl: resource, clientId, clientSecret } = config;
  if (clientSecret === undefined) return { ...logToolCalls(logger), close: async () => undefined };
  const spool = openSpool(join(config.dataDir, 'audit-spool'), { limitBytes: spoolBytes });
  const sender = startSender({ issuer, resource, clientId, clientSecret: clientSecret.reveal(), spool, logger });
  const audit = recordToolCalls({ spool, sender, logger, now });
  return {
    ...audit,
    async close() {
      audit.close();
      await sender.close();
      spool.close();
    },
  };
}
