import { createHash } from 'node:crypto';
import { mark } from './mark.ts';
import { stylesheet } from './stylesheet.ts';

/** A file that the pages refer to; its path carries a hash of the body, so it may be cached for ever. */
export type Asset = Readonly<{ path: string; contentType: string; body: string }>;

/** The stylesheet of every page. */
export const stylesheetAsset = asset('css', 'text/css; charset=utf-8', stylesheet);

/** The sign in the head of every page, which is its favicon as well. */
export const markAsset = asset('svg', 'image/svg+xml; charset=utf-8', mark);

/** Everything that the pages load. Serve each at its path below the path of the issuer, as `immutable`. */
export const assets: readonly Asset[] = [stylesheetAsset, markAsset];

function asset(extension: string, contentType: string, body: string): Asset {
  const hash = createHash('sha256').update(body).digest('hex').slice(0, 16);
  return { path: `/assets/portcullis-${hash}.${extension}`, contentType, body };
}
