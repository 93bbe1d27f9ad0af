import type { IncomingMessage } from 'node:http';
import { type Client, errors, type KoaContextWithOIDC, type default as Provider } from 'oidc-provider';
import { requestContext } from '../http/request-context.ts';
import type { Introspect } from '../revocation/introspection.ts';
import type { RevokeAccessToken } from '../revocation/token-revocation.ts';
import { asRequest } from './request-reads.ts';

/** What answers about tokens that the engine knows nothing of: those it has signed, and personal access tokens. */
export type StructuredTokenAnswers = { introspect: Introspect; revokeAccessToken: RevokeAccessToken };

/**
 * Answers introspection, and revocation of access tokens. The engine reads the request and authenticates the client; it
 * stops with `unsupported_token_type` at a JWT, only then, and here the answer takes the place of that error. Of other
 * tokens it tells nobody anything, see `allowedPolicy`; what is said of a personal access token takes its place too.
 */
export function answerForStructuredTokens(provider: Provider, answers: StructuredTokenAnswers): void {
  const structured = new WeakSet<IncomingMessage>();
  const note = (ctx: KoaContextWithOIDC, error: Error) => {
    if (error instanceof errors.UnsupportedTokenType) structured.add(ctx.req);
  };
  provider.on('introspection.error', note);
  provider.on('revocation.error', note);
  provider.use(async (ctx: KoaContextWithOIDC, next: () => Promise<void>) => {
    await next();
    const clientId = ctx.oidc?.client?.clientId;
    const token: unknown = ctx.oidc?.params?.token;
    if (clientId === undefined || typeof token !== 'string') return;
    const isStructured = structured.has(ctx.req);
    if (ctx.oidc.route === 'introspection' && (isStructured || ctx.status === 200)) {
      ctx.status = 200;
      const { address, correlationId } = requestContext(ctx);
      ctx.body = await asRequest(ctx, () => answers.introspect(token, { clientId, address, correlationId }));
    }
    if (ctx.oidc.route === 'revocation' && isStructured) await revoke(ctx, { token, clientId, answers });
  });
}

type Revoking = { token: string; clientId: string; answers: StructuredTokenAnswers };

const FOREIGN = 'this token was issued to another client';

/**
 * Whether a client may revoke a refresh token: its own only. That a token is another client's is told to a client that
 * has proven who it is (RFC 7009 section 2.1); whoever only says a name learns nothing.
 */
export async function mayRevoke(_ctx: KoaContextWithOIDC, client: Client, token: { clientId?: string | undefined }) {
  if (token.clientId === client.clientId) return true;
  if (client.clientAuthMethod === 'none') return false;
  throw new errors.InvalidRequest(FOREIGN);
}

/** The same for access tokens. */
async function revoke(ctx: KoaContextWithOIDC, { token, clientId, answers }: Revoking): Promise<void> {
  const { address, correlationId } = requestContext(ctx);
  const outcome = await answers.revokeAccessToken(token, { clientId, address, correlationId });
  if (outcome === 'foreign' && ctx.oidc.client?.clientAuthMethod !== 'none') {
    ctx.status = 400;
    ctx.body = { error: 'invalid_request', error_description: FOREIGN };
    return;
  }
  ctx.status = 200;
  ctx.body = '';
}
