import type { UpstreamFlowStore, UpstreamRevocationStore } from '@portcullis/persistence';
import type { Context } from 'koa';
import { z } from 'zod';
import { pageUrl, type Site } from '../site.ts';
import type { Connector, Unkept, UpstreamFailure, UpstreamGrant, UpstreamResult } from './connector.ts';
import { UpstreamConsent } from './consent.ts';
import { beginRoundTrip, ROUND_TRIP_SECONDS, type RoundTripDeps, receiveRoundTrip, takeAnswer } from './round-trip.ts';

/** What going to an upstream and back needs. */
export type FlowDeps = RoundTripDeps & { connectors: ReadonlyMap<string, Connector> };

const heldSchema = z.object({
  subject: z.string(),
  label: z.string().optional(),
  scopes: z.array(z.string()),
  tokens: z.object({
    accessToken: z.string(),
    refreshToken: z.string().optional(),
    accessExpiresAt: z.coerce.date().optional(),
  }),
  waiting: z.string(),
});

/** What an upstream gave on a way there; `waiting` is what its tokens are known by that are revoked unless connected. */
export type ReceivedGrant = { flowId: string; grant: UpstreamGrant; waiting: string };

/** What came of a way there; of one that failed, `waiting` are tokens that came in spite of it. */
export type FinishedFlow =
  | { ok: true; received: ReceivedGrant }
  | { ok: false; failure: UpstreamFailure; waiting: string | undefined };

/** Where the browser is sent to, for what was consented to. The answer is for the interaction that it was consented to in. */
export async function beginFlow(
  ctx: Context,
  { consent, interaction }: { consent: UpstreamConsent; interaction: string },
  deps: FlowDeps,
): Promise<UpstreamResult<URL>> {
  if (!UpstreamConsent.is(consent)) throw new TypeError('nothing goes upstream without consent');
  const { upstream, scopes } = consent;
  const redirectUri = callbackUrl(deps.site, upstream);
  const departure = { connector: connectorOf(deps.connectors, upstream), scopes, redirectUri, callback: upstream };
  return beginRoundTrip(ctx, { ...departure, place: () => interaction, purpose: interaction }, deps);
}

/**
 * Takes the answer that a browser brings from an upstream. What is in it is looked at only where the interaction goes on.
 *
 * @returns the uid of that interaction; undefined for an answer that this browser did not go for
 */
export async function receiveAnswer(ctx: Context, upstream: string, deps: RoundTripDeps): Promise<string | undefined> {
  const received = await receiveRoundTrip(ctx, upstream, deps);
  return received && z.string().parse(received.purpose);
}

/**
 * The answer of an upstream, redeemed for the consent that it was begun with; undefined while there is none. Whatever
 * tokens came are written down as to be revoked before anything is decided about them: from now on where nothing came of
 * it, and else unless they are connected in time.
 */
export async function finishFlow(
  { consent, interaction }: { consent: UpstreamConsent; interaction: string },
  { flows, upstreamRevocations, connectors, site, now }: FlowDeps & { upstreamRevocations: UpstreamRevocationStore },
): Promise<FinishedFlow | undefined> {
  const { userId, upstream, scopes } = consent;
  const taken = await takeAnswer(interaction, { flows, now });
  if (taken?.callback !== upstream) return undefined;
  const { flowId, answer, secrets } = taken;
  const result = await connectorOf(connectors, upstream).finish({
    answer,
    secrets,
    scopes,
    redirectUri: callbackUrl(site, upstream),
    now,
  });
  const written = ({ subject, tokens }: Unkept, since: Date) =>
    upstreamRevocations.add({ owner: { userId, upstream, subject }, tokens, since });
  if (!result.ok) {
    const { failure, unkept } = result;
    return { ok: false, failure, waiting: unkept && (await written(unkept, now)) };
  }
  const waiting = await written(result.value, new Date(now.getTime() + ROUND_TRIP_SECONDS * 1000));
  return { ok: true, received: { flowId, grant: result.value, waiting } };
}

/** Keeps what an upstream gave until its user has said whether that is the account that they mean. */
export async function holdGrant(flows: UpstreamFlowStore, { flowId, grant, waiting }: ReceivedGrant): Promise<void> {
  await flows.hold({ id: flowId, content: JSON.stringify({ ...grant, waiting }) });
}

/** What is kept for a decision. */
export async function heldGrant(
  flows: UpstreamFlowStore,
  o: { interaction: string; now: Date },
): Promise<ReceivedGrant | undefined> {
  const flow = await flows.held(o);
  if (!flow) return undefined;
  const { label, tokens, waiting, ...grant } = heldSchema.parse(JSON.parse(flow.content));
  const { accessToken, refreshToken, accessExpiresAt } = tokens;
  return {
    flowId: flow.id,
    grant: { ...grant, label, tokens: { accessToken, refreshToken, accessExpiresAt } },
    waiting,
  };
}

/** The connector of a configured upstream. @throws for a name that the configuration does not have */
export function connectorOf(connectors: ReadonlyMap<string, Connector>, upstream: string): Connector {
  const connector = connectors.get(upstream);
  if (!connector) throw new Error(`there is no upstream ${upstream}`);
  return connector;
}

/** Our own redirect URI at an upstream: one for each, so that none answers in another's place. */
function callbackUrl(site: Site, upstream: string): string {
  return pageUrl(site, `/upstream/${upstream}/callback`);
}
