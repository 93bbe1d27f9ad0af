import type { Logger } from '@portcullis/platform';
import type Koa from 'koa';
import type { Context, Middleware } from 'koa';
import { requestContext } from './request-context.ts';
import { type ErrorPage, sendErrorPage } from './send-page.ts';
import { type IsUnavailable, sendUnavailable } from './unavailable.ts';

/** A refusal that one of our own pages explains to the person who sees it. */
export class PageProblem extends Error {
  override readonly name = 'PageProblem';
  readonly page: ErrorPage;

  constructor(page: ErrorPage) {
    super(page.title);
    this.page = page;
  }
}

/** What turning a fault into an answer needs. */
export type ErrorBoundaryOptions = { log: Logger; isUnavailable: IsUnavailable };

/**
 * Turns refusals into pages, and faults into a plain 500 with a correlation id, or 503 while the database is away;
 * details go to the log only.
 */
export function errorBoundary(options: ErrorBoundaryOptions): Middleware {
  return async (ctx, next) => {
    try {
      await next();
    } catch (cause) {
      await answer(ctx, cause, options);
    }
  };
}

async function answer(ctx: Context, cause: unknown, { log, isUnavailable }: ErrorBoundaryOptions): Promise<void> {
  if (cause instanceof PageProblem) {
    sendErrorPage(ctx, cause.page);
    return;
  }
  const status = clientFault(cause);
  if (status) {
    sendErrorPage(ctx, {
      status,
      title: 'This request cannot be read',
      explanation: 'What your browser sent is not what this page expects. Go back and try again.',
    });
    return;
  }
  log.error({ err: cause, correlationId: requestContext(ctx).correlationId }, 'request failed');
  if (await isUnavailable(cause)) sendUnavailable(ctx);
  else sendErrorPage(ctx, SERVER_FAULT);
}

/** What a person sees when we are at fault. */
export const SERVER_FAULT: ErrorPage = {
  status: 500,
  title: 'Something went wrong here',
  explanation: 'This is not your fault, and nothing was granted. Go back to your app and start again in a moment.',
};

/** Logs what reaches Koa itself, a broken connection at most; left alone, Koa would write it to standard error. */
export function logUnansweredFaults(app: Koa, log: Logger): void {
  app.on('error', (cause: unknown) => log.error({ err: cause }, 'an answer could not be sent'));
}

function clientFault(cause: unknown): number | undefined {
  const status: unknown = typeof cause === 'object' && cause !== null && 'status' in cause ? cause.status : undefined;
  return typeof status === 'number' && status >= 400 && status < 500 ? status : undefined;
}
