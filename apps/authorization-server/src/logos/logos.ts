import { setTimeout as delay } from 'node:timers/promises';
import { hashToken, type RemoteDocumentStore } from '@portcullis/persistence';
import type { Logger } from '@portcullis/platform';
import type { CacheLimits, DocumentCache } from '../client-metadata/document-cache.ts';
import type { AnswerReader } from '../client-metadata/fetch-outcome.ts';
import { type FailureLimit, networkOf } from '../http/failure-limit.ts';
import { type ImageType, imageTypeOf } from './image-type.ts';

/** A picture as it is served. */
type Logo = { type: ImageType; body: Buffer };

/** Logos of clients, fetched by us and served from here: no other host learns who looks at a page. */
export type Logos = {
  /**
   * The path from which a client's logo is served, or undefined where there is none to show. It is fetched where it is
   * not known; a page does not wait for it longer than a second.
   */
  pathOf(url: string, o: { address: string }): Promise<string | undefined>;
  /** A logo that is known already, by the last part of its path; nothing is ever fetched. */
  find(id: string): Promise<Logo | undefined>;
};

/** What they are made with. */
export type LogosDeps = {
  cache: DocumentCache;
  store: RemoteDocumentStore;
  /** Fetches for one network, documents of clients included. */
  networkLimit: FailureLimit;
  /** Fetches of logos altogether. */
  overallLimit: FailureLimit;
  log: Logger;
};

const DAY_SECONDS = 24 * 3600;

/** How large a logo may be. */
export const LOGO_SIZE_BYTES = 100 * 1024;

/** A logo is looked at again once a day, and serves for another one while its host is away. */
export const LOGO_LIMITS: CacheLimits = {
  minFreshSeconds: DAY_SECONDS,
  maxFreshSeconds: DAY_SECONDS,
  maxStaleSeconds: 2 * DAY_SECONDS,
};

/** With this, the logos in the database take 80 MB at most, whatever clients there are. */
export const LOGO_FETCH_LIMIT = { name: 'logo-fetch', failures: 200, windowSeconds: DAY_SECONDS } as const;

const PATIENCE_MS = 1000;

const pictures: AnswerReader = {
  maxSize: '100 KB',
  read: ({ body }) =>
    imageTypeOf(body) === undefined
      ? { ok: false, problem: 'it is no PNG, JPEG, WebP or GIF' }
      : { ok: true, body: body.toString('base64') },
};

/** Makes them over the cache of what clients name. */
export function createLogos({ cache, store, networkLimit, overallLimit, log }: LogosDeps): Logos {
  const fetched = async (url: string, address: string): Promise<string | undefined> => {
    const admit = async () =>
      (await networkLimit.take(networkOf(address))).allowed && (await overallLimit.take('all')).allowed;
    const document = await cache(url, { reader: pictures, admit });
    return 'body' in document && pictureIn(document.body) ? `/logos/${hashToken(url)}` : undefined;
  };
  return {
    pathOf: (url, { address }) =>
      Promise.race([
        fetched(url, address).catch((cause: unknown) => {
          log.warn({ err: cause }, 'a logo could not be fetched');
          return undefined;
        }),
        delay(PATIENCE_MS, undefined, { ref: false }),
      ]),
    find: async (id) => pictureIn((await store.findById(id))?.body),
  };
}

/** What is kept beside logos, documents and keys, is JSON and therefore none. */
function pictureIn(text: string | undefined): Logo | undefined {
  if (text === undefined || !/^[A-Za-z0-9+/]+=*$/.test(text)) return undefined;
  const body = Buffer.from(text, 'base64');
  const type = imageTypeOf(body);
  return type && { type, body };
}
