import { ADMIN_SCOPES, adminResourceUrl } from '@portcullis/platform';
import * as oauth from 'oauth4webapi';
import { CLIENT, discover, explained, requestOptions, signInOf } from './authorization-server.ts';
import { openBrowser } from './browser.ts';
import { type CallbackListener, listenForCallback, unheardRedirectUri } from './callback-listener.ts';
import type { SignIn } from './credentials.ts';
import { CommandFailure } from './failure.ts';
import type { Terminal } from './terminal.ts';

/** How to sign in. */
export type SignInOptions = {
  issuer: string;
  /** Scopes to ask for; all of administration by default. */
  scopes: readonly string[] | undefined;
  /** Whether a browser on this computer can be opened; otherwise the person carries the URLs by hand. */
  useBrowser: boolean;
  browser: string | undefined;
  terminal: Terminal;
};

/**
 * Signs a person in, in their own browser, with PKCE and a redirect to loopback (RFC 8252). Without a browser here the
 * same request is made by hand, and its answer judged by the same checks: state, issuer, PKCE.
 */
export async function signIn(options: SignInOptions): Promise<SignIn> {
  const { issuer } = options;
  const server = await discover(issuer);
  const state = oauth.generateRandomState();
  const verifier = oauth.generateRandomCodeVerifier();
  const callback = options.useBrowser ? await listenForCallback(state) : undefined;
  try {
    const redirectUri = callback?.redirectUri ?? (await unheardRedirectUri());
    const challenge = await oauth.calculatePKCECodeChallenge(verifier);
    const url = authorizationUrl(server, { options, state, challenge, redirectUri });
    const answer = callback ? await answerFromBrowser(url, callback, options) : await answerByHand(url, options);
    return await explained(issuer, async () => {
      const params = oauth.validateAuthResponse(server, CLIENT, answer, state);
      const response = await oauth.authorizationCodeGrantRequest(
        server,
        CLIENT,
        oauth.None(),
        params,
        redirectUri,
        verifier,
        { ...requestOptions(issuer), additionalParameters: { resource: adminResourceUrl(issuer) } },
      );
      return signInOf(await oauth.processAuthorizationCodeResponse(server, CLIENT, response));
    });
  } finally {
    await callback?.close();
  }
}

type Request = { options: SignInOptions; state: string; challenge: string; redirectUri: string };

function authorizationUrl(server: oauth.AuthorizationServer, { options, state, challenge, redirectUri }: Request): URL {
  const url = new URL(server.authorization_endpoint ?? '/authorize', options.issuer);
  const scopes = options.scopes ?? Object.keys(ADMIN_SCOPES);
  const parameters = {
    response_type: 'code',
    client_id: CLIENT.client_id,
    redirect_uri: redirectUri,
    scope: scopes.join(' '),
    resource: adminResourceUrl(options.issuer),
    state,
    code_challenge: challenge,
    code_challenge_method: 'S256',
  };
  for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value);
  return url;
}

async function answerFromBrowser(url: URL, callback: CallbackListener, options: SignInOptions): Promise<URL> {
  const { terminal } = options;
  terminal.note(`Sign in in your browser. If it does not open, go to:\n\n  ${url.href}\n\n`);
  openBrowser(url.href, options.browser);
  return callback.answer();
}

async function answerByHand(url: URL, { terminal }: SignInOptions): Promise<URL> {
  terminal.note(
    `Open this address in a browser on any computer, and sign in:\n\n  ${url.href}\n\n` +
      'The browser then shows a page that cannot be reached, at an address that begins with http://127.0.0.1.\n' +
      'Copy that address from the address bar.\n\n',
  );
  const pasted = (await terminal.ask('Address: '))?.trim() ?? '';
  if (!URL.canParse(pasted))
    throw new CommandFailure('usage', 'That is no address. Start again with `portcullis login`.');
  return new URL(pasted);
}
