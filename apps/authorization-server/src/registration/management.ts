import type { ClientMetadata, RegisteredClient } from '@portcullis/persistence';
import type { Context } from 'koa';
import { requestContext } from '../http/request-context.ts';
import { bearerToken } from './admission.ts';
import { needsSecret, readMetadata } from './read-metadata.ts';
import { describeClient } from './records.ts';
import { type RegistrationRefusal, sendRefusal } from './refusal.ts';
import { credentials, newSecret } from './register.ts';
import { jsonBodyOf } from './request-body.ts';
import type { RegistrationHandlerDeps } from './router.ts';

/** Members that only the server may say (RFC 7592 §2.2). */
const SERVER_MEMBERS = [
  'registration_access_token',
  'registration_client_uri',
  'client_secret_expires_at',
  'client_id_issued_at',
];

const UNKNOWN: RegistrationRefusal = {
  error: 'token_invalid',
  description: 'the registration access token is not the one of this client',
};

/** Tells a client how it is registered (RFC 7592 §2.1); its secret is not known any more. */
export async function readClient(ctx: Context, deps: RegistrationHandlerDeps): Promise<void> {
  const managed = await findManaged(ctx, deps);
  if (!managed) return refuse(ctx, deps, { type: 'client.authentication_failed', refusal: UNKNOWN });
  const { client, managementToken } = managed;
  ctx.body = { ...client.metadata, ...credentials(deps.site, { client, managementToken }) };
}

/**
 * Replaces a client's registration (RFC 7592 §2.2), under the same rules as a new one, and its registration access
 * token with it.
 */
export async function updateClient(ctx: Context, deps: RegistrationHandlerDeps): Promise<void> {
  const managed = await findManaged(ctx, deps);
  if (!managed) return refuse(ctx, deps, { type: 'client.updated', refusal: UNKNOWN });
  const { client } = managed;
  const outcome = await replace(ctx, deps, managed);
  if ('refusal' in outcome)
    return refuse(ctx, deps, { type: 'client.updated', client: client.id, refusal: outcome.refusal });
  await deps.records.change(ctx, {
    type: 'client.updated',
    outcome: 'success',
    client: client.id,
    detail: {
      ...describeClient(outcome.metadata),
      ...(outcome.underReview && client.state !== 'rejected' && { state: 'pending' }),
    },
  });
  ctx.body = { ...outcome.metadata, ...credentials(deps.site, { client, ...outcome }) };
}

/** Ends a client and everything that users had allowed it (RFC 7592 §2.3). */
export async function deleteClient(ctx: Context, deps: RegistrationHandlerDeps): Promise<void> {
  const managed = await findManaged(ctx, deps);
  const deleted = managed && (await deps.clients.delete({ id: managed.client.id, now: deps.clock() }));
  if (!deleted) return refuse(ctx, deps, { type: 'client.deleted', refusal: UNKNOWN });
  await deps.records.change(ctx, {
    type: 'client.deleted',
    outcome: 'success',
    client: managed.client.id,
    detail: { grants: deleted.grants },
  });
  ctx.status = 204;
}

type Managed = { client: RegisteredClient; managementToken: string };

async function findManaged(ctx: Context, { clients, clock }: RegistrationHandlerDeps): Promise<Managed | undefined> {
  const managementToken = bearerToken(ctx.get('authorization'));
  const id: unknown = ctx.params.clientId;
  if (managementToken === undefined || typeof id !== 'string') return undefined;
  const client = await clients.findManaged({ id, managementToken, now: clock() });
  return client && { client, managementToken };
}

type Replacement =
  | { refusal: RegistrationRefusal }
  | { metadata: ClientMetadata; managementToken: string; secret?: string; underReview: boolean };

async function replace(
  ctx: Context,
  deps: RegistrationHandlerDeps,
  { client, managementToken }: Managed,
): Promise<Replacement> {
  const { clients, policy, clock, quota } = deps;
  const now = clock();
  const body = jsonBodyOf(ctx);
  if (!body.ok) return { refusal: { error: 'invalid_request', description: body.description } };
  const problem = await problemOf(body.body, { client, deps, now });
  if (problem !== undefined) return { refusal: { error: 'invalid_request', description: problem } };
  // What was vouched for once stays vouched for.
  const statement = body.body.software_statement ?? softwareStatementOf(client);
  const read = await readMetadata(
    { ...body.body, software_statement: statement },
    { ...deps, clientId: client.id, issuedAt: client.createdAt, now },
  );
  if (!read.ok) return { refusal: read.refusal };
  const allowance = await quota.take(requestContext(ctx).address);
  if (!allowance.allowed) return { refusal: { error: 'too_many', ...allowance } };

  const { metadata } = read;
  const isOther = !isSameToAPerson(client.metadata, metadata);
  // Whatever its state was a moment ago: it may be approved at this very moment, for what it was.
  const underReview = policy.policy === 'review' && isOther;
  const secret = needsSecret(metadata) && !needsSecret(client.metadata) ? newSecret() : undefined;
  const nextManagementToken = newSecret();
  const updated = await clients.updateManaged({
    id: client.id,
    metadata,
    secret: needsSecret(metadata) ? secret : null,
    managementToken,
    nextManagementToken,
    underReview,
    // Whoever vouched for the client did so for what it was.
    ...(isOther && { permissions: { firstParty: false } }),
    now,
  });
  // Another request with the same token came first.
  if (!updated) return { refusal: UNKNOWN };
  return { metadata, managementToken: nextManagementToken, underReview, ...(secret !== undefined && { secret }) };
}

async function problemOf(
  body: Readonly<Record<string, unknown>>,
  { client, deps, now }: { client: RegisteredClient; deps: RegistrationHandlerDeps; now: Date },
): Promise<string | undefined> {
  const forbidden = SERVER_MEMBERS.find((member) => member in body);
  if (forbidden !== undefined) return `${forbidden} must be left out`;
  if (body.client_id !== client.id) return 'client_id must be the one of this client';
  const { client_secret: secret } = body;
  if (secret === undefined) return undefined;
  const isOwn = typeof secret === 'string' && (await deps.clients.holdsSecret({ id: client.id, secret, now }));
  return isOwn ? undefined : 'client_secret must be the one of this client, or be left out';
}

/** Whether what a reviewer looked at is still true. */
function isSameToAPerson(before: ClientMetadata, after: ClientMetadata): boolean {
  const visible = ({ client_name, redirect_uris, client_uri, logo_uri }: ClientMetadata) =>
    JSON.stringify([client_name, redirect_uris, client_uri, logo_uri]);
  return visible(before) === visible(after);
}

function softwareStatementOf({ metadata }: RegisteredClient): unknown {
  return 'software_statement' in metadata ? metadata.software_statement : undefined;
}

async function refuse(
  ctx: Context,
  { records }: RegistrationHandlerDeps,
  event: Parameters<RegistrationHandlerDeps['records']['refusal']>[1],
): Promise<void> {
  await records.refusal(ctx, event);
  sendRefusal(ctx, event.refusal);
}
