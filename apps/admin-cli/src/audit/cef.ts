import type { SealedAuditRecord } from '@portcullis/platform';

const SEVERITY = { success: 3, denied: 6, error: 8 } as const;

/** Facility 13 of syslog is the log of audits; the severities are informational, warning and error. */
const PRIORITY = { success: 13 * 8 + 6, denied: 13 * 8 + 4, error: 13 * 8 + 3 } as const;

/**
 * A record as a syslog message (RFC 5424) that carries the Common Event Format. It names the record's number and hash;
 * the chain cannot be verified with it, because the format has no place for all that is hashed.
 */
export function cefLine(record: SealedAuditRecord, host: string): string {
  const { seq, hash, id, time, type, outcome } = record;
  const name = type.replaceAll(/[._]/g, ' ');
  const header = ['Portcullis', 'Portcullis', '1', type, name, String(SEVERITY[outcome])].map(headerField).join('|');
  return `<${PRIORITY[outcome]}>1 ${time} ${host} portcullis - ${id} - CEF:0|${header}|${extension({
    rt: String(Date.parse(time)),
    externalId: id,
    outcome,
    suser: record.subject,
    src: record.address,
    sourceServiceName: record.client,
    request: record.resource,
    act: record.tool,
    out: record.sizeBytes?.toString(),
    cn1: String(seq),
    cn1Label: 'seq',
    cn2: record.durationMs?.toString(),
    cn2Label: record.durationMs === undefined ? undefined : 'durationMs',
    cs1: record.correlationId,
    cs1Label: record.correlationId === undefined ? undefined : 'correlationId',
    cs2: record.arguments && JSON.stringify(record.arguments),
    cs2Label: record.arguments && 'arguments',
    cs3: record.detail && JSON.stringify(record.detail),
    cs3Label: record.detail && 'detail',
    cs4: hash,
    cs4Label: 'hash',
  })}`;
}

function extension(fields: Readonly<Record<string, string | undefined>>): string {
  return Object.entries(fields)
    .flatMap(([key, value]) => (value === undefined ? [] : [`${key}=${oneLine(value).replaceAll(/[\\=]/g, '\\$&')}`]))
    .join(' ');
}

function headerField(text: string): string {
  return oneLine(text).replaceAll(/[\\|]/g, '\\$&');
}

/** One message is one line, whatever a stranger put into it. */
function oneLine(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Zl}\p{Zp}]/gu, ' ');
}
