import {
  type ConsentStore,
  createAuditLog,
  createConsentStore,
  type Database,
  inTransaction,
  type UpstreamConnectionStore,
  type UserStore,
} from '@portcullis/persistence';
import type { AuditEvent, Clock } from '@portcullis/platform';
import type { Context } from 'koa';
import type { InteractionResults, default as Provider } from 'oidc-provider';
import type { ClientDocuments } from '../client-metadata/client-documents.ts';
import { PageProblem } from '../http/error-boundary.ts';
import { requestContext } from '../http/request-context.ts';
import { sendPage } from '../http/send-page.ts';
import type { Logos } from '../logos/logos.ts';
import { type ConsentUpstream, consentPage } from '../pages/consent.ts';
import {
  CONSENT_TTL_SECONDS,
  coversRequest,
  mayRememberConsent,
  rememberedUpstreamScopes,
} from '../provider/prompts.ts';
import { userAhead } from '../provider/request-reads.ts';
import type { PersonRefusals } from '../provider/token-refusals.ts';
import { redirectTarget } from '../redirect-uri.ts';
import { permissionsAt, permittedScopes, type RolePermissions } from '../roles.ts';
import { pageUrl, type Site } from '../site.ts';
import type { Connector } from '../upstream/connector.ts';
import { connectorOf } from '../upstream/flow.ts';
import { upstreamScopesOf } from '../upstream/upstream.ts';
import { formOf } from './form.ts';
import { EXPIRED, type Step } from './step.ts';

/** What asking for consent needs. */
export type ConsentDeps = {
  provider: Provider;
  site: Site;
  logos: Logos;
  documents: ClientDocuments | undefined;
  users: UserStore;
  consents: ConsentStore;
  connections: UpstreamConnectionStore;
  connectors: ReadonlyMap<string, Connector>;
  roles: RolePermissions;
  database: Database;
  /** Takes what somebody who is signed in can cause without end. */
  personRefusals: PersonRefusals;
  clock: Clock;
};

type Decision = {
  userId: string;
  email: string;
  /** What of the request the user's roles permit. */
  offered: string[];
  /** What of it the user has allowed this client before. */
  remembered: readonly string[];
  rememberedUpstream: readonly string[];
};

const NOT_PERMITTED = {
  error: 'access_denied',
  error_description: "the user's roles permit none of the requested scopes",
};

/** Shows what the client wants; nothing is offered that the user's roles do not permit. */
export async function showConsent(
  ctx: Context,
  step: Step,
  deps: ConsentDeps,
): Promise<InteractionResults | undefined> {
  const decision = await decisionOf(ctx, step, deps);
  if (decision.offered.length === 0) return NOT_PERMITTED;
  await render(ctx, step, { deps, decision });
  return undefined;
}

/** Handles the posted form; returns the result for the engine, or nothing when the form was shown again. */
export async function submitConsent(
  ctx: Context,
  step: Step,
  deps: ConsentDeps,
): Promise<InteractionResults | undefined> {
  const form = formOf(ctx);
  const decision = await decisionOf(ctx, step, deps);
  if (decision.offered.length === 0) return NOT_PERMITTED;
  if (form.text('action') !== 'approve') {
    await deny(ctx, step, { deps, decision });
    return { error: 'access_denied', error_description: 'the user refused' };
  }
  const ticked = form.all('scope');
  const granted = decision.offered.filter((scope) => ticked.includes(scope));
  if (granted.length === 0) {
    await render(ctx, step, {
      deps,
      decision,
      problem: 'Tick at least one thing that the app may do, or choose Deny.',
    });
    return undefined;
  }
  // The grant gives nothing yet: only the engine makes a code of it, with what is answered here.
  const grantId = await storeGrant(step, { deps, decision, granted });
  const event = decisionEvent(ctx, step, { deps, decision, granted, grantId });
  await recordConsent(step, { deps, decision, granted, event });
  return { consent: { grantId } };
}

/** What was allowed before must not answer for somebody who has just said no: that is a change, and recorded as one. */
async function deny(ctx: Context, step: Step, { deps, decision }: Omit<DecisionRecord, 'granted'>): Promise<void> {
  const event = decisionEvent(ctx, step, { deps, decision, granted: [] });
  const consent = { userId: decision.userId, clientId: step.clientId, resource: step.resource.url };
  const wasAllowed = await inTransaction(deps.database, async (within) => {
    const forgotten = await createConsentStore(within).forget(consent);
    if (forgotten) await createAuditLog(within).record(event);
    return forgotten;
  });
  if (!wasAllowed) await deps.personRefusals.record(event);
}

async function decisionOf(ctx: Context, step: Step, deps: ConsentDeps): Promise<Decision> {
  const { users, consents, roles, clock } = deps;
  const { userId } = step;
  const user = userId === undefined ? undefined : (userAhead(ctx, userId) ?? (await users.findById(userId)));
  if (!user || user.disabledAt) throw new PageProblem(EXPIRED);
  const { clientId, redirectUri, resource, document } = step;
  const subject = { userId: user.id, clientId, resource: resource.url, redirectUri };
  const remembered = mayRememberConsent(redirectUri)
    ? await consents.find({ ...subject, clientFingerprint: document?.fingerprint, now: clock() })
    : undefined;
  return {
    userId: user.id,
    email: user.email,
    offered: permittedScopes(step.requestedScopes, { roles: user.roles, permissions: permissionsAt(resource, roles) }),
    remembered: remembered?.scopes ?? [],
    rememberedUpstream: remembered?.upstreamScopes ?? [],
  };
}

type Rendering = { deps: ConsentDeps; decision: Decision; problem?: string };

async function render(ctx: Context, step: Step, { deps, decision, problem }: Rendering): Promise<void> {
  const redirectHost = redirectTarget(step.redirectUri);
  if (!redirectHost) throw new PageProblem(EXPIRED);
  const page = consentPage({
    action: step.action,
    formToken: step.formToken,
    clientName: step.clientName,
    clientHost: step.clientHost,
    logo: await logoOf(ctx, step, deps),
    redirectHost,
    redirectUri: step.redirectUri,
    loopbackOnly: step.redirectUris.every((uri) => redirectTarget(uri)?.kind === 'loopback'),
    resourceName: step.resource.name,
    resourceUrl: step.resource.url,
    userEmail: decision.email,
    scopes: decision.offered.map((name) => ({
      name,
      ...(step.resource.scopes[name] ?? { description: name, sensitive: true }),
      granted: decision.remembered.includes(name),
    })),
    alreadyGranted:
      coversRequest(decision.remembered, decision.offered) &&
      rememberedUpstreamScopes(step.resource, decision.offered).every((s) => decision.rememberedUpstream.includes(s)),
    upstream: upstreamOf(step, { deps, decision }),
    ...(problem !== undefined && { problem, selected: [] }),
  });
  sendPage(ctx, page, problem === undefined ? 200 : 400);
}

/** What the page says about the upstream: everything that the offered scopes could need there (PX-5). */
function upstreamOf(
  { resource }: Step,
  { deps, decision }: { deps: ConsentDeps; decision: Decision },
): ConsentUpstream | undefined {
  const needed = upstreamScopesOf(resource, decision.offered);
  if (!resource.upstream || needed.length === 0) return undefined;
  const { name, scopes } = connectorOf(deps.connectors, resource.upstream.name).upstream;
  return { name, scopes: needed.map((scope) => ({ name: scope, description: scopes[scope] ?? scope })) };
}

async function logoOf(ctx: Context, { logoUri }: Step, { logos, site }: ConsentDeps): Promise<string | undefined> {
  const path = logoUri === undefined ? undefined : await logos.pathOf(logoUri, requestContext(ctx));
  return path === undefined ? undefined : new URL(pageUrl(site, path)).pathname;
}

/** A grant of its own for this authorization. What was not ticked is rejected in it, or the engine would ask for ever. */
async function storeGrant(
  step: Step,
  { deps, decision, granted }: { deps: ConsentDeps; decision: Decision; granted: string[] },
): Promise<string> {
  const { provider, documents } = deps;
  const grant = new provider.Grant({ accountId: decision.userId, clientId: step.clientId });
  grant.addResourceScope(step.resource.url, granted.join(' '));
  const rejected = step.requestedScopes.filter((scope) => !granted.includes(scope));
  if (rejected.length > 0) grant.rejectResourceScope(step.resource.url, rejected.join(' '));
  const grantId = await grant.save();
  const { upstream } = step.resource;
  const upstreamScopes = upstreamScopesOf(step.resource, granted);
  if (upstream && upstreamScopes.length > 0) {
    await deps.connections.agree({ grantId, upstream: upstream.name, scopes: upstreamScopes });
  }
  if (step.document) {
    const { version } = step.document;
    await documents?.bindGrant({ grantId, clientId: step.clientId, version });
  }
  return grantId;
}

/** With what was agreed to, so that the user is not asked again, where the redirect URI says which app it was. */
async function recordConsent(
  step: Step,
  { deps, decision, granted, event }: DecisionRecord & { event: AuditEvent },
): Promise<void> {
  const { database, clock } = deps;
  if (!mayRememberConsent(step.redirectUri)) return createAuditLog(database).record(event);
  await inTransaction(database, async (within) => {
    await createConsentStore(within).remember({
      userId: decision.userId,
      clientId: step.clientId,
      resource: step.resource.url,
      redirectUri: step.redirectUri,
      clientFingerprint: step.document?.fingerprint,
      scopes: granted,
      upstreamScopes: rememberedUpstreamScopes(step.resource, granted),
      now: clock(),
      ttlSeconds: CONSENT_TTL_SECONDS,
    });
    await createAuditLog(within).record(event);
  });
}

type DecisionRecord = { deps: ConsentDeps; decision: Decision; granted: string[]; grantId?: string };

function decisionEvent(ctx: Context, step: Step, { deps, decision, granted, grantId }: DecisionRecord): AuditEvent {
  const { address, correlationId } = requestContext(ctx);
  return {
    time: deps.clock(),
    type: 'consent.decided',
    outcome: granted.length > 0 ? 'success' : 'denied',
    subject: decision.userId,
    client: step.clientId,
    resource: step.resource.url,
    address,
    correlationId,
    detail: {
      requested: step.requestedScopes.join(' '),
      granted: granted.join(' '),
      ...(grantId && { grantId }),
      ...(step.resource.upstream && { upstreamScopes: rememberedUpstreamScopes(step.resource, granted).join(' ') }),
      ...(step.document && { documentVersion: step.document.version }),
    },
  };
}
