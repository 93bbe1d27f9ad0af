import type { Revocation } from '@portcullis/persistence';

/** One server-sent event; the data holds no line break because it is JSON. */
function event(fields: { event: string; id?: string; data: unknown }): string {
  const id = fields.id === undefined ? '' : `id: ${fields.id}\n`;
  return `event: ${fields.event}\n${id}data: ${JSON.stringify(fields.data)}\n\n`;
}

/** Names grants whose access tokens are to be refused: `issued_until` limits that to those issued until then. */
export function revocationsEvent(revocations: readonly Revocation[], watermark?: bigint): string {
  const data = revocations.map(({ grantId, issuedUntil }) => ({
    gid: grantId,
    ...(issuedUntil && { issued_until: Math.floor(issuedUntil.getTime() / 1000) }),
  }));
  return event({ event: 'revocations', data, ...(watermark !== undefined && { id: String(watermark) }) });
}

/** Says that everything which was revoked before has been sent, and when that was. */
export function heartbeatEvent(watermark: bigint, now: Date): string {
  return event({ event: 'heartbeat', id: String(watermark), data: { time: now.toISOString() } });
}

/** Reads `Last-Event-ID`; undefined for one that was never ours. */
export function positionOf(lastEventId: string | undefined): bigint | undefined {
  return lastEventId !== undefined && /^\d{1,18}$/.test(lastEventId) ? BigInt(lastEventId) : undefined;
}
