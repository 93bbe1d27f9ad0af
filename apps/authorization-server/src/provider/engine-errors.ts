import type { ClientStore } from '@portcullis/persistence';
import type { Clock } from '@portcullis/platform';
import type { Context } from 'koa';
import type { ErrorOut, KoaContextWithOIDC } from 'oidc-provider';
import { SERVER_FAULT } from '../http/error-boundary.ts';
import { type ErrorPage, sendErrorPage } from '../http/send-page.ts';
import { explainStanding } from './client-standing.ts';
import { documentClientPage } from './document-client-page.ts';
import { DocumentClientProblem } from './document-clients.ts';

const START_AGAIN = 'Go back to your app and start signing in again.';

/** What a person is told when a request to the engine cannot be answered with a redirect. */
export function engineErrorPages({ clients, clock }: { clients: ClientStore; clock: Clock }) {
  return async (ctx: KoaContextWithOIDC, out: ErrorOut, error: Error): Promise<void> => {
    if (error instanceof DocumentClientProblem) {
      sendErrorPage(ctx, documentClientPage(error));
      return;
    }
    const { client_id: id } = ctx.query;
    if (out.error === 'invalid_client' && typeof id === 'string') {
      const standing = await clients.standing({ id, now: clock() });
      sendErrorPage(ctx, { status: ctx.status, ...explainStanding(standing) });
      return;
    }
    sendErrorPage(ctx, explain(out, ctx.status));
  };
}

/** Takes an answer back that must not be given: nothing that it held may reach the client. */
export function renderServerFault(ctx: Context): void {
  ctx.remove('Location');
  if (ctx.accepts('json', 'html') === 'html') {
    sendErrorPage(ctx, SERVER_FAULT);
    return;
  }
  ctx.status = SERVER_FAULT.status;
  ctx.body = { error: 'server_error', error_description: 'something went wrong here; try again in a moment' };
}

/** A path that nothing answers. */
export function renderNotFound(ctx: Context): void {
  if (ctx.accepts('json', 'html') === 'html') {
    sendErrorPage(ctx, { status: 404, title: 'There is nothing here', explanation: 'Check the address.' });
    return;
  }
  ctx.status = 404;
  ctx.body = { error: 'not_found', error_description: 'no such endpoint; see /.well-known/oauth-authorization-server' };
}

function explain({ error, error_description: description }: ErrorOut, status: number): ErrorPage {
  switch (error) {
    case 'invalid_client':
      return { status, ...explainStanding({ state: 'unknown' }) };
    case 'invalid_redirect_uri':
      return {
        status,
        title: 'The app asked to be answered at an unknown address',
        explanation: 'The address does not match any that the app registered, so nothing was sent there.',
        advice: [
          'An app on this computer may use any port, but localhost and 127.0.0.1 are different addresses.',
          'Remove the server from your app and add it again, so that the app registers anew.',
        ],
      };
    case 'server_error':
      return SERVER_FAULT;
    default:
      return {
        status: status >= 400 ? status : 400,
        title: 'This sign-in cannot go on',
        explanation: description ? `The app's request was refused: ${description}.` : "The app's request was refused.",
        advice: [START_AGAIN],
      };
  }
}
