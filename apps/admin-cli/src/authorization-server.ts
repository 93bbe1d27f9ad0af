import { adminResourceUrl, CLI_CLIENT_ID, isLoopbackHost } from '@portcullis/platform';
import * as oauth from 'oauth4webapi';
import { z } from 'zod';
import type { SignIn } from './credentials.ts';
import { CommandFailure, unreachable } from './failure.ts';

/** The command line's own client. */
export const CLIENT: oauth.Client = { client_id: CLI_CLIENT_ID };

const TIMEOUT_MS = 15_000;

/** What every request to the server goes with: plain http on loopback only, and an end to waiting. */
export function requestOptions(issuer: string) {
  return {
    [oauth.allowInsecureRequests]: isLoopbackHost(new URL(issuer).hostname),
    signal: () => AbortSignal.timeout(TIMEOUT_MS),
  };
}

/** Reads the server's metadata; it has to name the very issuer that was asked (RFC 8414 section 3.3). */
export async function discover(issuer: string): Promise<oauth.AuthorizationServer> {
  return explained(issuer, async () => {
    const response = await oauth.discoveryRequest(new URL(issuer), { ...requestOptions(issuer), algorithm: 'oauth2' });
    if (response.status === MISDIRECTED) throw misdirected(issuer, await response.json().catch(() => undefined));
    return oauth.processDiscoveryResponse(new URL(issuer), response);
  });
}

/** With this status a Portcullis answers that is called by another host than its own (RFC 9110 section 15.5.20). */
const MISDIRECTED = 421;

function misdirected(issuer: string, body: unknown): CommandFailure {
  const ownName = nameIn(body);
  return ownName === undefined ? unreachable(issuer) : otherName(issuer, { ownName });
}

/** Trades a refresh token for new ones. */
export async function refresh(issuer: string, refreshToken: string): Promise<SignIn> {
  const server = await discover(issuer);
  return explained(issuer, async () => {
    const response = await oauth.refreshTokenGrantRequest(server, CLIENT, oauth.None(), refreshToken, {
      ...requestOptions(issuer),
      additionalParameters: { resource: adminResourceUrl(issuer) },
    });
    return signInOf(await oauth.processRefreshTokenResponse(server, CLIENT, response));
  });
}

/** What is kept of a token answer. */
export function signInOf({ access_token, refresh_token, expires_in = 0 }: oauth.TokenEndpointResponse): SignIn {
  return {
    accessToken: access_token,
    expiresAt: Date.now() + expires_in * 1000,
    ...(refresh_token !== undefined && { refreshToken: refresh_token }),
  };
}

/** Turns what the OAuth library throws into what a person can act on. */
export async function explained<T>(issuer: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    throw explain(issuer, cause);
  }
}

function explain(issuer: string, cause: unknown): unknown {
  if (cause instanceof CommandFailure) return cause;
  if (cause instanceof oauth.ResponseBodyError) {
    return new CommandFailure('refused', `The server refused: ${cause.error_description ?? cause.error}.`, { cause });
  }
  if (cause instanceof oauth.AuthorizationResponseError) {
    const why = cause.error === 'access_denied' ? 'access was denied' : (cause.error_description ?? cause.error);
    return new CommandFailure('refused', `The sign-in ended without access: ${why}.`, { cause });
  }
  const ownName = issuerOfMetadata(cause);
  if (ownName !== undefined) return otherName(issuer, { ownName, cause });
  if (cause instanceof oauth.OperationProcessingError || cause instanceof oauth.WWWAuthenticateChallengeError) {
    return new CommandFailure('unreachable', `${issuer} answers, but not as Portcullis does: ${cause.message}.`, {
      cause,
    });
  }
  return unreachable(issuer, cause);
}

/** The issuer that metadata names, where it is another than the one that was asked. */
function issuerOfMetadata(cause: unknown): string | undefined {
  if (!(cause instanceof oauth.OperationProcessingError) || cause.code !== oauth.JSON_ATTRIBUTE_COMPARISON) return;
  const { data } = z.object({ attribute: z.literal('issuer'), body: z.unknown() }).safeParse(cause.cause);
  return data && nameIn(data.body);
}

function nameIn(body: unknown): string | undefined {
  const { data } = z.object({ issuer: z.url() }).safeParse(body);
  // As an URL is written, it has nothing that a terminal would obey.
  return data && new URL(data.issuer).href.replace(/\/$/, '');
}

function otherName(issuer: string, { ownName, cause }: { ownName: string; cause?: unknown }): CommandFailure {
  const why = `${issuer} is not what the server there calls itself. Name it as it does: --issuer ${ownName}`;
  return new CommandFailure('unreachable', why, { cause });
}

/** Ends a refresh token, and with it the grant that it came from (RFC 7009). */
export async function revoke(issuer: string, token: string): Promise<void> {
  const server = await discover(issuer);
  await explained(issuer, async () => {
    const response = await oauth.revocationRequest(server, CLIENT, oauth.None(), token, requestOptions(issuer));
    await oauth.processRevocationResponse(response);
  });
}
