import type {
  GrantStore,
  UpstreamConnectionStore,
  UpstreamFlowStore,
  UpstreamRevocationStore,
} from '@portcullis/persistence';
import type { AuditEvent, AuditSink, Clock } from '@portcullis/platform';
import type { Context } from 'koa';
import type { InteractionResults } from 'oidc-provider';
import { PageProblem } from '../http/error-boundary.ts';
import { requestContext } from '../http/request-context.ts';
import { sendPage } from '../http/send-page.ts';
import type { CountUpstreamRefresh } from '../metrics.ts';
import { upstreamAccountPage, upstreamProblemPage } from '../pages/upstream.ts';
import type { PersonRefusals } from '../provider/token-refusals.ts';
import type { Site } from '../site.ts';
import type { Connector, UpstreamFailure } from '../upstream/connector.ts';
import { UpstreamConsent } from '../upstream/consent.ts';
import { beginFlow, connectorOf, finishFlow, heldGrant, holdGrant, type ReceivedGrant } from '../upstream/flow.ts';
import { isAlive } from '../upstream/fresh-tokens.ts';
import { formOf } from './form.ts';
import { EXPIRED, type Step } from './step.ts';

/** What connecting an upstream needs. */
export type UpstreamStepDeps = {
  site: Site;
  grants: GrantStore;
  connections: UpstreamConnectionStore;
  upstreamRevocations: UpstreamRevocationStore;
  flows: UpstreamFlowStore;
  connectors: ReadonlyMap<string, Connector>;
  /** Revokes tokens that were received and are not kept; where the upstream does not take it, it is tried again later. */
  giveBackTokens(waiting: string): Promise<unknown>;
  countRefresh: CountUpstreamRefresh;
  audit: AuditSink;
  /** Takes what somebody who is signed in can cause without end. */
  personRefusals: PersonRefusals;
  clock: Clock;
};

/**
 * Goes to the upstream, or takes what came back. Every way through here begins with the consent of this user for this
 * client, as it is stored at this moment.
 */
export async function showUpstream(
  ctx: Context,
  step: Step,
  deps: UpstreamStepDeps,
): Promise<InteractionResults | undefined> {
  const consent = await consentOf(step, deps);
  const now = deps.clock();
  const held = await heldGrant(deps.flows, { interaction: step.uid, now });
  if (held) return askAboutAccount(ctx, step, { consent, held, deps });
  const finished = await finishFlow({ consent, interaction: step.uid }, { ...deps, now });
  if (!finished) return (await useConnection(consent, deps)) ? agreedBy(consent) : begin(ctx, step, { consent, deps });
  if (!finished.ok) {
    if (finished.waiting !== undefined) await deps.giveBackTokens(finished.waiting);
    return fail(ctx, step, { consent, deps, failure: finished.failure });
  }
  const { received } = finished;
  const others = await otherAccounts(consent, { subject: received.grant.subject }, deps);
  if (others.length === 0) return connect(ctx, { consent, received, deps });
  await holdGrant(deps.flows, received);
  return askAboutAccount(ctx, step, { consent, held: received, deps });
}

/** Handles the posted form: `connect` goes to the upstream again, `use` takes the account, `deny` goes back to the app. */
export async function submitUpstream(
  ctx: Context,
  step: Step,
  deps: UpstreamStepDeps,
): Promise<InteractionResults | undefined> {
  const consent = await consentOf(step, deps);
  const action = formOf(ctx).text('action');
  const held = await heldGrant(deps.flows, { interaction: step.uid, now: deps.clock() });
  const isMine = held ? await deps.flows.settle({ id: held.flowId, now: deps.clock() }) : false;
  if (held && isMine && action === 'use') return connect(ctx, { consent, received: held, deps });
  if (held && isMine) await deps.giveBackTokens(held.waiting);
  if (action === 'connect') return begin(ctx, step, { consent, deps });
  await record(ctx, {
    consent,
    deps,
    type: 'upstream.refused',
    outcome: 'denied',
    detail: { reason: 'not connected' },
  });
  return { error: 'access_denied', error_description: 'the user did not connect the service that the app works with' };
}

async function consentOf(
  { userId, clientId, grantId, resource }: Step,
  { grants, connections, clock }: UpstreamStepDeps,
): Promise<UpstreamConsent> {
  if (userId === undefined || grantId === undefined) throw new PageProblem(EXPIRED);
  const claim = { userId, clientId, grantId, resource };
  const consent = await UpstreamConsent.verify(claim, { grants, connections, now: clock() });
  if (!consent) throw new PageProblem(EXPIRED);
  return consent;
}

/** The engine looks the decision up again by the grant that it was made for. */
function agreedBy({ grantId }: UpstreamConsent): InteractionResults {
  return { consent: { grantId } };
}

type Going = { consent: UpstreamConsent; deps: UpstreamStepDeps };

async function begin(ctx: Context, step: Step, { consent, deps }: Going): Promise<undefined> {
  const begun = await beginFlow(ctx, { consent, interaction: step.uid }, { ...deps, now: deps.clock() });
  if (!begun.ok) return fail(ctx, step, { consent, deps, failure: begun.failure });
  ctx.set('Cache-Control', 'no-store');
  ctx.status = 303;
  ctx.redirect(begun.value.href);
}

/** An account that was connected before with just these scopes does for this app too, unless there are several or it is over. */
async function useConnection(consent: UpstreamConsent, deps: UpstreamStepDeps): Promise<boolean> {
  const { connections } = deps;
  const { userId, upstream, scopes, grantId } = consent;
  const live = (await connections.list({ userId, upstream })).filter(({ ended }) => !ended);
  if (new Set(live.map(({ subject }) => subject)).size !== 1) return false;
  const fitting = live.find(
    (one) => one.scopes.length === scopes.length && one.scopes.every((s) => scopes.includes(s)),
  );
  if (!fitting || !(await isAlive(fitting, deps))) return false;
  return connections.use({ grantId, connectionId: fitting.id, userId });
}

async function otherAccounts(
  { userId, upstream }: UpstreamConsent,
  { subject }: { subject: string },
  { connections }: UpstreamStepDeps,
) {
  const known = await connections.list({ userId, upstream });
  const isKnown = known.some((one) => !one.ended && one.subject === subject);
  return isKnown ? [] : known.filter((one) => !one.ended);
}

async function connect(
  ctx: Context,
  { consent, received, deps }: Going & { received: ReceivedGrant },
): Promise<InteractionResults> {
  const { userId, upstream, grantId } = consent;
  const { grant, waiting } = received;
  const { subject, label, scopes, tokens } = grant;
  const account = { userId, upstream, subject, scopes };
  const detail = { upstreamSubject: subject, upstreamScopes: scopes.join(' ') };
  const event = eventOf(ctx, { consent, deps, type: 'upstream.connected', outcome: 'success', detail });
  const connected = await deps.connections.connect({
    account,
    label,
    tokens,
    grantId,
    waiting,
    event,
    now: event.time,
  });
  if (!connected) throw new PageProblem(EXPIRED);
  return agreedBy(consent);
}

async function askAboutAccount(
  ctx: Context,
  step: Step,
  { consent, held, deps }: Going & { held: ReceivedGrant },
): Promise<undefined> {
  const { subject, label } = held.grant;
  const others = await otherAccounts(consent, { subject }, deps);
  const page = upstreamAccountPage({
    ...pageParts(step, { consent, deps }),
    account: label ?? subject,
    others: [...new Set(others.map((one) => one.label ?? one.subject))],
  });
  sendPage(ctx, page);
}

async function fail(
  ctx: Context,
  step: Step,
  { consent, deps, failure }: Going & { failure: UpstreamFailure },
): Promise<undefined> {
  await record(ctx, { consent, deps, type: 'upstream.refused', outcome: 'denied', detail: { reason: failure } });
  sendPage(ctx, upstreamProblemPage({ ...pageParts(step, { consent, deps }), failure }), 400);
}

function pageParts(step: Step, { consent, deps }: Going) {
  return {
    action: step.action,
    formToken: step.formToken,
    clientName: step.clientName,
    upstreamName: connectorOf(deps.connectors, consent.upstream).upstream.name,
  };
}

type Happened = Going & Pick<AuditEvent, 'type' | 'outcome' | 'detail'>;

async function record(ctx: Context, happened: Happened): Promise<void> {
  const { audit, personRefusals } = happened.deps;
  await (happened.outcome === 'denied' ? personRefusals : audit).record(eventOf(ctx, happened));
}

function eventOf(ctx: Context, { consent, deps, detail, ...event }: Happened): AuditEvent {
  const { address, correlationId } = requestContext(ctx);
  return {
    ...event,
    time: deps.clock(),
    subject: consent.userId,
    client: consent.clientId,
    address,
    correlationId,
    detail: { grantId: consent.grantId, upstream: consent.upstream, ...detail },
  };
}
