import { bodyParser } from '@koa/bodyparser';
import type { Context, Middleware } from 'koa';
import type { Site } from '../site.ts';
import { PageProblem } from './error-boundary.ts';

/** Larger than any form of ours. */
const FORM_LIMIT = '16kb';

/**
 * Reads posted forms, and refuses those that another site sent. Browsers name the sender in `Origin` and
 * `Sec-Fetch-Site`; programs that send neither hold no browser's cookies, and meet the form token instead.
 */
export function acceptForms(site: Site): Middleware {
  const parse = bodyParser({ enableTypes: ['form'], formLimit: FORM_LIMIT });
  return async (ctx, next) => {
    if (ctx.method === 'POST' && isForeign(ctx, site)) {
      throw new PageProblem({
        status: 403,
        title: 'This form came from another site',
        explanation: 'Nothing was done. If you meant to sign in, go back to your app and start again.',
      });
    }
    await parse(ctx, next);
  };
}

function isForeign(ctx: Context, site: Site): boolean {
  const origin = ctx.get('origin');
  const fetchSite = ctx.get('sec-fetch-site');
  // Our pages allow no referrer, and browsers then write `Origin: null` for our own forms as well.
  if (origin === 'null') return fetchSite !== 'same-origin';
  return (origin !== '' && origin !== site.origin) || (fetchSite !== '' && fetchSite !== 'same-origin');
}
