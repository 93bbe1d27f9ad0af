import type { Logger } from '@portcullis/platform';
import { isClientIdUrl } from './client-id-url.ts';
import { readMetadataDocument } from './metadata-document.ts';

/** A pinned document, and the day on which it was pinned where the configuration says so. */
export type PinnedDocument = { document: Readonly<Record<string, unknown>>; pinnedAt?: Date | undefined };

const OLD_AFTER_DAYS = 90;
const DAY_MS = 24 * 3600 * 1000;

/** What is wrong with a pinned document, which must be all that a fetched one has to be; undefined when nothing is. */
export function pinnedDocumentProblem(clientId: string, { document }: PinnedDocument): string | undefined {
  if (!isClientIdUrl(clientId)) return 'is no URL that a metadata document may have';
  const read = readMetadataDocument(JSON.stringify(document), clientId);
  return read.ok ? undefined : `cannot be used: ${read.problem}`;
}

/** The texts of pinned documents by client id; warns of each that was pinned more than 90 days ago. */
export function pinnedTexts(
  pinned: Readonly<Record<string, PinnedDocument>>,
  { now, log }: { now: Date; log: Logger },
): Map<string, string> {
  for (const [clientId, { pinnedAt }] of Object.entries(pinned)) {
    const ageDays = pinnedAt ? Math.floor((now.getTime() - pinnedAt.getTime()) / DAY_MS) : 0;
    if (ageDays > OLD_AFTER_DAYS)
      log.warn({ clientId, ageDays }, 'a pinned metadata document is older than 90 days; look whether it still holds');
  }
  return new Map(Object.entries(pinned).map(([clientId, { document }]) => [clientId, JSON.stringify(document)]));
}
