import { randomBytes } from 'node:crypto';
import type { ClientMetadata, RegisteredClient } from '@portcullis/persistence';
import type { Context } from 'koa';
import type { Allowance } from '../http/failure-limit.ts';
import { requestContext } from '../http/request-context.ts';
import { registrationOutcome } from '../metrics/registration-outcome.ts';
import { knownScopes } from '../provider/registration.ts';
import { pageUrl, type Site } from '../site.ts';
import { admit, USELESS_TOKEN } from './admission.ts';
import { needsSecret, readMetadata } from './read-metadata.ts';
import { describeClient } from './records.ts';
import { type RegistrationRefusal, sendRefusal } from './refusal.ts';
import { jsonBodyOf } from './request-body.ts';
import { reuseKeyOf } from './reuse-key.ts';
import type { RegistrationHandlerDeps } from './router.ts';

/** A new secret, registration access token or the like: 256 random bits. */
export function newSecret(): string {
  return randomBytes(32).toString('base64url');
}

type Outcome =
  | { kind: 'refused'; refusal: RegistrationRefusal }
  | { kind: 'repeated'; client: RegisteredClient; metadata: ClientMetadata }
  | {
      kind: 'registered';
      client: RegisteredClient;
      secret?: string;
      managementToken?: string;
      registrationToken?: string;
    };

/** Answers a registration request (RFC 7591 §3): 201 with the client as it was registered, or why it was not. */
export async function registerClient(ctx: Context, deps: RegistrationHandlerDeps): Promise<void> {
  const outcome = await decide(ctx, deps);
  deps.countRegistration(outcome.kind === 'refused' ? registrationOutcome(outcome.refusal) : outcome.kind);
  switch (outcome.kind) {
    case 'refused':
      await deps.records.refusal(ctx, { type: 'client.registered', refusal: outcome.refusal });
      sendRefusal(ctx, outcome.refusal);
      return;
    case 'repeated':
      await deps.records.repetition(ctx, outcome.client.id);
      await send(ctx, deps, {
        ...outcome.metadata,
        client_id: outcome.client.id,
        client_id_issued_at: outcome.client.metadata.client_id_issued_at,
      });
      return;
    case 'registered': {
      const { client, registrationToken } = outcome;
      await deps.records.change(ctx, {
        type: 'client.registered',
        outcome: 'success',
        client: client.id,
        detail: {
          ...describeClient(client.metadata),
          state: client.state,
          ...(registrationToken && { registrationToken }),
        },
      });
      await send(ctx, deps, { ...client.metadata, ...credentials(deps.site, outcome) });
    }
  }
}

async function decide(ctx: Context, deps: RegistrationHandlerDeps): Promise<Outcome> {
  const { policy, tokens, clients, quota } = deps;
  const now = deps.clock();
  const admission = await admit(ctx.get('authorization'), { policy: policy.policy, tokens, now });
  if (!admission.ok) return refused(admission.refusal);
  const { address } = requestContext(ctx);
  const overflow: Allowance = admission.token === undefined ? await quota.overflow(address) : { allowed: true };
  if (!overflow.allowed) return refused({ error: 'too_many', ...overflow });
  const body = jsonBodyOf(ctx);
  if (!body.ok) return refused({ error: 'invalid_request', description: body.description });
  const clientId = randomBytes(16).toString('base64url');
  const read = await readMetadata(body.body, { ...deps, clientId, issuedAt: now, now });
  if (!read.ok) return refused(read.refusal);
  const { metadata } = read;

  if (admission.token !== undefined) {
    const redeemed = await tokens.redeem({ token: admission.token, now });
    if (!redeemed) return refused(USELESS_TOKEN);
    return store(deps, { metadata, now, isOwn: true, registrationToken: redeemed.id });
  }
  const reuseKey = reuseKeyOf(metadata);
  const existing = reuseKey === undefined ? undefined : await clients.reuse({ reuseKey, now });
  if (existing) return { kind: 'repeated', client: existing, metadata };
  const allowance = await quota.take(address);
  if (!allowance.allowed) return refused({ error: 'too_many', ...allowance });
  return store(deps, { metadata, now, isOwn: reuseKey === undefined, reuseKey });
}

type ToStore = {
  metadata: ClientMetadata;
  now: Date;
  /** Whether the client is nobody else's, and can therefore look after itself. */
  isOwn: boolean;
  reuseKey?: string | undefined;
  /** The id of the registration token, whose holder needs no review. */
  registrationToken?: string;
};

async function store(
  { clients, policy }: RegistrationHandlerDeps,
  { metadata, now, isOwn, reuseKey, registrationToken }: ToStore,
): Promise<Outcome> {
  const secret = needsSecret(metadata) ? newSecret() : undefined;
  const managementToken = isOwn ? newSecret() : undefined;
  const { client, reused } = await clients.register({
    metadata,
    registration: 'dynamic',
    secret,
    managementToken,
    reuseKey,
    underReview: policy.policy === 'review' && registrationToken === undefined,
    now,
  });
  if (reused) return { kind: 'repeated', client, metadata };
  return {
    kind: 'registered',
    client,
    ...(secret !== undefined && { secret }),
    ...(managementToken !== undefined && { managementToken }),
    ...(registrationToken !== undefined && { registrationToken }),
  };
}

/** What only the client itself gets to see: its secret, and how it can look after its registration. */
export function credentials(
  site: Site,
  { client, secret, managementToken }: { client: RegisteredClient; secret?: string; managementToken?: string },
): Record<string, unknown> {
  return {
    ...(secret !== undefined && { client_secret: secret, client_secret_expires_at: 0 }),
    ...(managementToken !== undefined && {
      registration_access_token: managementToken,
      registration_client_uri: pageUrl(site, `/register/${client.id}`),
    }),
  };
}

async function send(
  ctx: Context,
  { catalogue }: RegistrationHandlerDeps,
  answer: Record<string, unknown>,
): Promise<void> {
  const open = (await catalogue.list()).filter(({ reserved }) => !reserved);
  const known = new Set(open.flatMap(({ scopes }) => Object.keys(scopes)));
  const body = jsonBodyOf(ctx);
  const scope = body.ok ? knownScopes(body.body.scope, known) : undefined;
  ctx.status = 201;
  ctx.body = { ...answer, ...(scope !== undefined && { scope }) };
}

function refused(refusal: RegistrationRefusal): Outcome {
  return { kind: 'refused', refusal };
}
