import { join } from 'node:path';
import { AUDIT_REPORT_LIMITS, type Clock, type Logger } from '@portcullis/platform';
import type { Config } from '../config.ts';
import type { Part } from '../parts.ts';
import { startSender } from './sender.ts';
import { type AuditWaiting, openSpool } from './spool.ts';
import { logToolCalls, recordToolCalls, type ToolAudit } from './tool-audit.ts';

/** Some hundred thousand calls: hours of a busy server whose authorization server is away. */
const SPOOL_BYTES = 64 * 1024 * 1024;

/** Where the records of each part wait: they go out as clients of their own. */
const FOLDERS = { whole: 'audit-spool', read: 'audit-spool', act: 'audit-spool-act' } as const;

/** What it works with. */
type AuditDeps = { logger: Logger; now: Clock; fetch?: typeof globalThis.fetch; spoolBytes?: number | undefined };

/** The audit of one part, and what of it waits. */
type OpenAudit = ToolAudit & { waiting(): AuditWaiting; close(): Promise<void> };

/**
 * Opens the audit trail of one part of this server. Its records are sent as the part's own client, about its own resource.
 * Without a client secret the log alone is told: nobody would take records from a stranger.
 *
 * @throws {StartupError} when the data folder cannot be written
 */
export function openAudit(
  config: Pick<Config, 'issuer' | 'dataDir' | 'clientSecret' | 'limits'> & Pick<Part, 'name' | 'url' | 'clientId'>,
  { logger, now, fetch = globalThis.fetch, spoolBytes = SPOOL_BYTES }: AuditDeps,
): OpenAudit {
  const { issuer, url: resource, clientId, clientSecret, limits } = config;
  if (clientSecret === undefined) {
    const nothing = { bytes: 0, oldestAgeSeconds: 0 };
    return { ...logToolCalls(logger), waiting: () => nothing, close: async () => undefined };
  }
  // As many calls as can have begun at once, each with the largest record that is taken.
  const reserveBytes = limits.callsAtOnce * AUDIT_REPORT_LIMITS.recordBytes;
  const spool = openSpool(join(config.dataDir, FOLDERS[config.name]), { limitBytes: spoolBytes, reserveBytes });
  const sender = startSender({ issuer, resource, clientId, clientSecret: clientSecret.reveal(), spool, logger, fetch });
  const audit = recordToolCalls({ spool, sender, logger, now });
  return {
    ...audit,
    waiting: () => spool.waiting(),
    async close() {
      audit.close();
      await sender.close();
      spool.close();
    },
  };
}
