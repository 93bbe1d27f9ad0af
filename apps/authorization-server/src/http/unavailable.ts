import type { Context } from 'koa';
import { type ErrorPage, sendErrorPage } from './send-page.ts';

/** Tells whether a request failed because the database is away for a while. */
export type IsUnavailable = (cause: unknown) => Promise<boolean>;

/** When a client may try again, in seconds: a database that restarts is back by then. */
const RETRY_AFTER_SECONDS = 5;

const UNAVAILABLE: ErrorPage = {
  status: 503,
  title: 'This server cannot answer at the moment',
  explanation: 'Nothing was granted and nothing is lost. Try again in a few seconds.',
};

/** Asks to come back, and takes back whatever the answer held: as a page for a person, as an OAuth error for a client. */
export function sendUnavailable(ctx: Context): void {
  ctx.remove('Location');
  ctx.set('Retry-After', String(RETRY_AFTER_SECONDS));
  if (ctx.accepts('json', 'html') === 'html') {
    sendErrorPage(ctx, UNAVAILABLE);
    return;
  }
  ctx.status = UNAVAILABLE.status;
  ctx.body = {
    error: 'temporarily_unavailable',
    error_description: 'this server cannot answer at the moment; try again',
  };
}
