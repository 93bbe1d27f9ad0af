import type { IncomingMessage } from 'node:http';
import type { errors, KoaContextWithOIDC, default as Provider } from 'oidc-provider';
import { sendErrorPage } from '../http/send-page.ts';
import { redirectTarget } from '../redirect-uri.ts';

/** Tells whether somebody who runs this server registered a client. */
export type IsPreRegistered = (clientId: string) => Promise<boolean>;

/**
 * Shows an error to the person before it goes to the client, where nobody has signed in and the client came by itself.
 *
 * Whoever registers a client, or publishes a document for one, could otherwise make links to this server that at once
 * lead somewhere else (AS-42). The person sees where to, and decides. Nobody is led to a redirect URI that was registered
 * before it was known to be none.
 */
export function showErrorsFirst(provider: Provider, isPreRegistered: IsPreRegistered): void {
  const errorsOf = new WeakMap<IncomingMessage, errors.OIDCProviderError>();
  provider.on('authorization.error', (ctx, error) => void errorsOf.set(ctx.req, error));
  provider.use(async (ctx: KoaContextWithOIDC, next: () => Promise<void>) => {
    await next();
    const error = errorsOf.get(ctx.req);
    const clientId = ctx.oidc?.client?.clientId;
    const redirectUri: unknown = ctx.oidc?.params?.redirect_uri;
    // Without a client, or with a redirect URI that is not its own, a page was shown anyway.
    if (!error?.allow_redirect || clientId === undefined || typeof redirectUri !== 'string') return;
    const answer = { error, redirectUri, target: redirectTarget(redirectUri) };
    const isTrusted = ctx.oidc.session?.accountId !== undefined || (await isPreRegistered(clientId));
    if (!answer.target || !isTrusted) showError(ctx, answer);
    else answerByQuery(ctx, answer);
  });
}

type ErrorAnswer = {
  error: errors.OIDCProviderError;
  redirectUri: string;
  target: ReturnType<typeof redirectTarget>;
};

function showError(ctx: KoaContextWithOIDC, answer: ErrorAnswer): void {
  const { error, error_description: description } = answer.error;
  const notSignedIn = error === 'access_denied' || error === 'login_required';
  ctx.remove('Location');
  sendErrorPage(ctx, {
    status: 400,
    title: notSignedIn ? 'You are not signed in' : 'This sign-in cannot go on',
    explanation: notSignedIn
      ? 'The app gets no access. You can close this page, or go back and let the app know.'
      : `The app's request was refused: ${description ?? error}.`,
    advice: ['If you did not start this in an app of yours, close this page.'],
    continueTo: answer.target && { url: answerUrl(ctx, answer), target: answer.target },
  });
}

/**
 * The engine answers an error in the response mode that was asked for, or that the response type would have, also where
 * that is the error. The only one that there is here is `query`.
 */
function answerByQuery(ctx: KoaContextWithOIDC, answer: ErrorAnswer): void {
  const location = ctx.res.getHeader('location');
  if (typeof location === 'string' && !location.includes('#')) return;
  ctx.redirect(answerUrl(ctx, answer));
  ctx.status = 303;
}

function answerUrl({ oidc }: KoaContextWithOIDC, { error: refusal, redirectUri }: ErrorAnswer): string {
  const { error, error_description } = refusal;
  const url = new URL(redirectUri);
  const answer = { error, error_description, state: oidc.params?.state, iss: oidc.provider.issuer };
  for (const [name, value] of Object.entries(answer)) if (typeof value === 'string') url.searchParams.set(name, value);
  return url.href;
}
