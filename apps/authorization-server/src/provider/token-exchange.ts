import type { ClientStore } from '@portcullis/persistence';
import type { AuditSink, Clock } from '@portcullis/platform';
import { type AdapterPayload, errors, type KoaContextWithOIDC, type default as Provider } from 'oidc-provider';
import { requestContext } from '../http/request-context.ts';
import { type ExchangeDeps, type ExchangeRefusal, exchangeToken } from '../upstream/token-exchange.ts';

/** @see RFC 8693 section 2.1 */
export const TOKEN_EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange';
const ACCESS_TOKEN = 'urn:ietf:params:oauth:token-type:access_token';

const PARAMETERS = ['subject_token', 'subject_token_type', 'requested_token_type', 'audience'];

/** What the grant needs beside the exchange itself. */
export type TokenExchangeDeps = ExchangeDeps & { audit: AuditSink };

/** Adds the grant with which the server of a resource gets an upstream's token. `audience` is the upstream's name. */
export function addTokenExchange(provider: Provider, deps: TokenExchangeDeps): void {
  provider.registerGrantType(TOKEN_EXCHANGE, (ctx) => answer(ctx, deps), PARAMETERS);
}

async function answer(ctx: KoaContextWithOIDC, deps: TokenExchangeDeps): Promise<void> {
  const { subject_token, subject_token_type, requested_token_type = ACCESS_TOKEN, audience } = ctx.oidc.params ?? {};
  if (typeof subject_token !== 'string' || subject_token_type !== ACCESS_TOKEN)
    throw new errors.InvalidRequest('subject_token must be an access token, and subject_token_type must say so');
  if (requested_token_type !== ACCESS_TOKEN) throw new errors.InvalidRequest('access tokens are all that there is');
  if (typeof audience !== 'string') throw new errors.InvalidTarget('audience must name the upstream');
  const clientId = ctx.oidc.client?.clientId ?? '';
  const result = await exchangeToken({ clientId, subjectToken: subject_token, audience }, deps);
  if (!result.ok) throw errorFor(ctx, result.refusal);
  const { accessToken, scopes, expiresInSeconds, subject, grantId, resource, clientId: client } = result.value;
  const { address, correlationId } = requestContext(ctx);
  await deps.audit.record({
    time: deps.clock(),
    type: 'upstream_token.issued',
    outcome: 'success',
    subject,
    client,
    resource,
    address,
    correlationId,
    detail: { grantId, upstream: audience, upstreamScopes: scopes.join(' '), to: clientId },
  });
  ctx.body = {
    access_token: accessToken,
    issued_token_type: ACCESS_TOKEN,
    token_type: 'Bearer',
    expires_in: expiresInSeconds,
    scope: scopes.join(' '),
  };
}

/** When the server of a resource may ask again while an upstream is away, in seconds. */
const RETRY_AFTER_SECONDS = 5;

function errorFor(ctx: KoaContextWithOIDC, refusal: ExchangeRefusal): Error {
  switch (refusal) {
    case 'not_a_resource_server':
      return new errors.UnauthorizedClient('only the server of a resource may exchange tokens for it');
    case 'bad_subject_token':
      return new errors.InvalidRequest(
        'subject_token is no live access token of a user for the resource that this client is the server of',
      );
    case 'unknown_upstream':
      return new errors.InvalidTarget('the resource does not work with this upstream');
    case 'not_connected':
      return new errors.InvalidTarget('the user has not connected the upstream for this app');
    case 'more_than_granted':
      return new errors.InvalidTarget('the connection reaches further than this app was granted; connect it anew');
    case 'connection_over':
      return new errors.InvalidTarget('the upstream has ended the connection; the user has to connect it anew');
    case 'upstream_away':
      ctx.set('Retry-After', String(RETRY_AFTER_SECONDS));
      return Object.assign(new errors.TemporarilyUnavailable('the upstream does not answer'), {
        status: 503,
        statusCode: 503,
        expose: true,
      });
  }
}

/** Lets the server of a resource use the grant: no registration names it, and nobody else's may. */
export async function withTokenExchange(
  client: AdapterPayload,
  { ctx, clients, clock }: { ctx: KoaContextWithOIDC | undefined; clients: ClientStore; clock: Clock },
): Promise<AdapterPayload> {
  if (ctx?.oidc.params?.grant_type !== TOKEN_EXCHANGE) return client;
  const known = await clients.find({ id: String(client.client_id), now: clock() });
  if (known?.resourceServer === undefined) return client;
  return { ...client, grant_types: [...(client.grant_types ?? []), TOKEN_EXCHANGE] };
}
