import type { ClientMetadata } from '@portcullis/persistence';
import type { AuditEvent, AuditSink, Clock } from '@portcullis/platform';
import type { Context } from 'koa';
import { requestContext } from '../http/request-context.ts';
import { redirectTarget } from '../redirect-uri.ts';
import type { RegistrationQuota } from './quota.ts';
import type { RegistrationRefusal } from './refusal.ts';

type RegistrationEvent = Pick<AuditEvent, 'type' | 'outcome' | 'client' | 'detail'>;

/** Writes what happens to registrations into the audit trail. */
export type RegistrationRecords = {
  /** Something was changed: always written. */
  change(ctx: Context, event: RegistrationEvent): Promise<void>;
  /** A client was registered in words that another one had used before. */
  repetition(ctx: Context, client: string): Promise<void>;
  /** Nothing was changed. A flood of refusals leaves so many records in an hour, and not one for each request. */
  refusal(
    ctx: Context,
    event: { type: AuditEvent['type']; client?: string; refusal: RegistrationRefusal },
  ): Promise<void>;
};

/** Makes the records of registrations. */
export function createRegistrationRecords({
  audit,
  clock,
  quota,
}: {
  audit: AuditSink;
  clock: Clock;
  quota: RegistrationQuota;
}): RegistrationRecords {
  const change: RegistrationRecords['change'] = async (ctx, event) => {
    const { address, correlationId } = requestContext(ctx);
    await audit.record({ time: clock(), address, correlationId, ...event });
  };
  const bounded: RegistrationRecords['change'] = async (ctx, event) => {
    if (await quota.isWorthRecording(requestContext(ctx).address)) await change(ctx, event);
  };
  return {
    change,
    repetition: (ctx, client) =>
      bounded(ctx, { type: 'client.registered', outcome: 'success', client, detail: { repeated: true } }),
    refusal: async (ctx, { type, client, refusal }) => {
      const event: RegistrationEvent = {
        type,
        outcome: 'denied',
        ...(client !== undefined && { client }),
        detail: {
          error: refusal.error,
          ...('description' in refusal && { description: refusal.description }),
        },
      };
      // The limit itself counts these: the first of an hour stands for all.
      if (refusal.error !== 'too_many') await bounded(ctx, event);
      else if (refusal.first) await change(ctx, event);
    },
  };
}

/** What an administrator looks for in a record of a registration. */
export function describeClient({
  client_name: name,
  redirect_uris: uris = [],
}: ClientMetadata): Record<string, unknown> {
  return { ...(name !== undefined && { name }), redirects: uris.map(describeRedirect) };
}

function describeRedirect(uri: string): string {
  const target = redirectTarget(uri);
  if (!target) return 'unusable';
  return target.kind === 'private-use' ? `${target.scheme}:` : target.host;
}
