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
 * lead somewhere else (AS-42). The person sees where to, and decides.
 */
export function showErrorsFirst(provider: Provider, isPreRegistered: IsPreRegistered): void {
  const errorsOf = new WeakMap<IncomingMessage, errors.OIDCProviderError>();
  provider.on('authorization.error', (ctx, error) => void errorsOf.set(ctx.req, error));
  provider.use(async (ctx: KoaContextWithOIDC, next: () => Promise<void>) => {
    await next();
    const error = errorsOf.get(ctx.req);
    const clientId = ctx.oidc?.client?.clientId;
    // Without a client, or with a redirect URI that is not its own, a page was shown anyway.
    if (!error?.allow_redirect || clientId === undefined || ctx.oidc.session?.accountId !== undefined) return;
    if (await isPreRegistered(clientId)) return;
    showError(ctx, error);
  });
}

function showError(ctx: KoaContextWithOIDC, { error, error_description: description }: errors.OIDCProviderError): void {
  const { redirect_uri: redirectUri, state } = ctx.oidc.params ?? {};
  const target = typeof redirectUri === 'string' ? redirectTarget(redirectUri) : undefined;
  if (typeof redirectUri !== 'string' || !target) return;
  const back = new URL(redirectUri);
  const answer = { error, error_description: description, state, iss: ctx.oidc.provider.issuer };
  for (const [name, value] of Object.entries(answer)) if (typeof value === 'string') back.searchParams.set(name, value);
  const notSignedIn = error === 'access_denied' || error === 'login_required';
  ctx.remove('Location');
  sendErrorPage(ctx, {
    status: 400,
    title: notSignedIn ? 'You are not signed in' : 'This sign-in cannot go on',
    explanation: notSignedIn
      ? 'The app gets no access. You can close this page, or go back and let the app know.'
      : `The app's request was refused: ${description ?? error}.`,
    advice: ['If you did not start this in an app of yours, close this page.'],
    continueTo: { url: back.href, target },
  });
}
