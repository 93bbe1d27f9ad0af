import type { Context } from 'koa';
import { type Page, renderDocument } from '../pages/document.ts';
import { type ErrorPageInput, errorPage } from '../pages/error.ts';
import { requestContext } from './request-context.ts';

/** What an error page says. */
export type ErrorPage = Omit<ErrorPageInput, 'correlationId'>;

/** Sends a page that must not be kept anywhere. */
export function sendPage(ctx: Context, page: Page, status = 200): void {
  ctx.status = status;
  ctx.type = 'text/html; charset=utf-8';
  ctx.set('Cache-Control', 'no-store');
  ctx.body = renderDocument(page, requestContext(ctx).basePath);
}

/** Sends an error page with the request's correlation id. */
export function sendErrorPage(ctx: Context, page: ErrorPage): void {
  const { correlationId } = requestContext(ctx);
  sendPage(ctx, errorPage({ ...page, correlationId }), page.status);
}
