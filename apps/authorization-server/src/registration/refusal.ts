import type { Context } from 'koa';

/** What is wrong with a request, for its sender to put right; the description names the member. */
export type BadRegistration = {
  error:
    | 'invalid_request'
    | 'invalid_redirect_uri'
    | 'invalid_client_metadata'
    | 'invalid_software_statement'
    | 'unapproved_software_statement';
  description: string;
};

/** Why a request about a registration is refused (RFC 7591 §3.2.2, RFC 7592 §2, RFC 6750 §3.1). */
export type RegistrationRefusal =
  | BadRegistration
  | { error: 'registration_off' }
  | { error: 'token_missing' }
  | { error: 'token_invalid'; description: string }
  | { error: 'too_many'; retryAfterSeconds: number; first: boolean };

/** Answers a refusal; nothing was changed. */
export function sendRefusal(ctx: Context, refusal: RegistrationRefusal): void {
  switch (refusal.error) {
    case 'registration_off':
      send(ctx, 403, {
        error: 'access_denied',
        error_description: 'this server registers no clients on request; ask its administrator for a client_id',
      });
      return;
    case 'token_missing':
      // Without credentials the challenge names no error (RFC 6750 §3.1).
      ctx.set('WWW-Authenticate', 'Bearer');
      send(ctx, 401, {
        error: 'invalid_token',
        error_description:
          'registering here takes a registration token in the Authorization header; ask the administrator',
      });
      return;
    case 'token_invalid':
      ctx.set('WWW-Authenticate', `Bearer error="invalid_token", error_description="${refusal.description}"`);
      send(ctx, 401, { error: 'invalid_token', error_description: refusal.description });
      return;
    case 'too_many':
      ctx.set('Retry-After', String(refusal.retryAfterSeconds));
      send(ctx, 429, {
        error: 'temporarily_unavailable',
        error_description: `too many new registrations; try again in ${refusal.retryAfterSeconds} seconds`,
      });
      return;
    default:
      send(ctx, 400, { error: refusal.error, error_description: refusal.description });
  }
}

function send(ctx: Context, status: number, body: { error: string; error_description: string }): void {
  ctx.status = status;
  ctx.body = body;
}
