import { randomUUID } from 'node:crypto';
import type { SignInRecord, TokenSet } from './client-application.ts';

/** The state behind an OAuth provider of either SDK. The type parameters are the SDK's own types. */
export type SignInMemory<Info, Tokens, Discovery> = {
  provider: {
    redirectUrl: string;
    state(): string;
    clientInformation(): Info | undefined;
    saveClientInformation(information: Info): void;
    tokens(): Tokens | undefined;
    saveTokens(tokens: Tokens): void;
    redirectToAuthorization(url: URL): void;
    saveCodeVerifier(verifier: string): void;
    codeVerifier(): string;
    saveDiscoveryState(state: Discovery): void;
    discoveryState(): Discovery | undefined;
    invalidateCredentials(scope: 'all' | 'client' | 'tokens' | 'verifier' | 'discovery'): void;
  };
  record: SignInRecord;
  /** The authorization URL that waits for the browser; asking takes it away. */
  takeAuthorizationUrl(): URL | undefined;
  spoilAccessToken(): void;
};

/** Remembers one application's registration and tokens in memory. */
export function createSignInMemory<Info extends { client_id: string }, Tokens extends TokenSet, Discovery>(
  redirectUrl: string,
): SignInMemory<Info, Tokens, Discovery> {
  const record: SignInRecord = {
    clientInformation: [],
    tokens: [],
    codes: [],
    codeVerifiers: [],
    authorizationUrls: [],
  };
  let information: Info | undefined;
  let tokens: Tokens | undefined;
  let discovered: Discovery | undefined;
  let waiting: URL | undefined;

  return {
    record,
    provider: {
      redirectUrl,
      state: () => randomUUID(),
      clientInformation: () => information,
      saveClientInformation(saved) {
        information = saved;
        record.clientInformation.push(saved);
      },
      tokens: () => tokens,
      saveTokens(saved) {
        tokens = saved;
        record.tokens.push(saved);
      },
      redirectToAuthorization(url) {
        waiting = url;
        record.authorizationUrls.push(url);
      },
      saveCodeVerifier: (verifier) => void record.codeVerifiers.push(verifier),
      codeVerifier: () => record.codeVerifiers.at(-1) ?? '',
      saveDiscoveryState(state) {
        discovered = state;
      },
      discoveryState: () => discovered,
      invalidateCredentials(scope) {
        if (scope === 'all' || scope === 'client') information = undefined;
        if (scope === 'all' || scope === 'tokens') tokens = undefined;
        if (scope === 'all' || scope === 'discovery') discovered = undefined;
      },
    },
    takeAuthorizationUrl() {
      const url = waiting;
      waiting = undefined;
      return url;
    },
    spoilAccessToken() {
      if (tokens) tokens = { ...tokens, access_token: `${tokens.access_token}spoilt` };
    },
  };
}

/** The parameters of a callback whose `state` is the one that was sent. */
export function checkedCallback(params: URLSearchParams, authorizationUrl: URL): URLSearchParams {
  if (params.get('state') !== authorizationUrl.searchParams.get('state'))
    throw new Error('the callback has another state');
  const error = params.get('error');
  if (error !== null)
    throw new Error(`the authorization server refused: ${error} ${params.get('error_description') ?? ''}`);
  return params;
}

/** What every application registers with; `metadata` is put over it. */
export function registrationMetadata(redirectUri: string, clientName: string, metadata: Record<string, unknown> = {}) {
  return {
    client_name: clientName,
    redirect_uris: [redirectUri],
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'],
    token_endpoint_auth_method: 'none',
    ...metadata,
  };
}
