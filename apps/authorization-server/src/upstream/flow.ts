import { createHash, randomBytes } from 'node:crypto';
import type { UpstreamFlowStore, UpstreamRevocationStore } from '@portcullis/persistence';
import type { Context } from 'koa';
import { z } from 'zod';
import { pageUrl, type Site } from '../site.ts';
import type { Connector, FlowSecrets, Unkept, UpstreamFailure, UpstreamGrant, UpstreamResult } from './connector.ts';
import { UpstreamConsent } from './consent.ts';

/** What going to an upstream and back needs. */
export type FlowDeps = { flows: UpstreamFlowStore; connectors: ReadonlyMap<string, Connector>; site: Site; now: Date };

/** How long a way there and back may take, in seconds. */
export const FLOW_TTL_SECONDS = 600;

const contentSchema = z.object({
  interaction: z.string(),
  secrets: z.object({ state: z.string(), nonce: z.string().optional(), codeVerifier: z.string() }),
  answer: z.string().optional(),
});

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

/**
 * Where the browser is sent to, for what was consented to. State, nonce and PKCE are made now, and the cookie that binds
 * them to this browser is set now, right before it goes (PX-11, PX-12).
 */
export async function beginFlow(
  ctx: Context,
  { consent, interaction }: { consent: UpstreamConsent; interaction: string },
  { flows, connectors, site, now }: FlowDeps,
): Promise<UpstreamResult<URL>> {
  if (!UpstreamConsent.is(consent)) throw new TypeError('nothing goes upstream without consent');
  const connector = connectorOf(connectors, consent.upstream);
  const begun = await connector.begin({ scopes: consent.scopes, redirectUri: callbackUrl(site, consent.upstream) });
  if (!begun.ok) return begun;
  const { url, secrets } = begun.value;
  const browserKey = randomBytes(32).toString('base64url');
  await flows.begin({
    state: secrets.state,
    browserKey,
    interaction,
    upstream: consent.upstream,
    content: JSON.stringify({ interaction, secrets }),
    now,
    ttlSeconds: FLOW_TTL_SECONDS,
  });
  const { name, options } = flowCookie(secrets.state, site);
  ctx.cookies.set(name, browserKey, { ...options, maxAge: FLOW_TTL_SECONDS * 1000 });
  return { ok: true, value: url };
}

/**
 * Takes the answer that a browser brings from an upstream: with the state of a way that this browser went, to this
 * upstream, once, in time. What is in it is looked at only where the interaction goes on.
 *
 * @returns the uid of that interaction; undefined for every other answer
 */
export async function receiveAnswer(
  ctx: Context,
  upstream: string,
  { flows, site, now }: Omit<FlowDeps, 'connectors'>,
): Promise<string | undefined> {
  const answer = new URLSearchParams(ctx.querystring);
  const [state, ...others] = answer.getAll('state');
  if (!state || others.length > 0) return undefined;
  const { name, options } = flowCookie(state, site);
  const browserKey = ctx.cookies.get(name);
  if (browserKey === undefined) return undefined;
  const flow = await flows.answer({
    state,
    browserKey,
    upstream,
    now,
    answered: (content) => JSON.stringify({ ...contentSchema.parse(JSON.parse(content)), answer: answer.toString() }),
  });
  if (!flow) return undefined;
  ctx.cookies.set(name, null, options);
  return contentSchema.parse(JSON.parse(flow.content)).interaction;
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
  const flow = await flows.take({ interaction, now });
  if (!flow || flow.upstream !== upstream) return undefined;
  const { answer, secrets } = contentSchema.parse(JSON.parse(flow.content));
  const result = await connectorOf(connectors, upstream).finish({
    answer: new URLSearchParams(answer),
    secrets: { ...secrets, nonce: secrets.nonce } satisfies FlowSecrets,
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
  const waiting = await written(result.value, new Date(now.getTime() + FLOW_TTL_SECONDS * 1000));
  return { ok: true, received: { flowId: flow.id, grant: result.value, waiting } };
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

/** One cookie for each way, so that several tabs do not stand in each other's. */
export function flowCookie(state: string, { secure, basePath }: Site) {
  const suffix = createHash('sha256').update(state).digest('base64url').slice(0, 10);
  return {
    name: `${secure ? '__Host-' : ''}portcullis-upstream-${suffix}`,
    options: { httpOnly: true, sameSite: 'lax', secure, path: secure ? '/' : `${basePath}/upstream` } as const,
  };
}
