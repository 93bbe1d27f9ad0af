import { createHash, randomBytes } from 'node:crypto';
import type { UpstreamFlowStore } from '@portcullis/persistence';
import type { Context } from 'koa';
import { z } from 'zod';
import type { Site } from '../site.ts';
import type { Connector, FlowSecrets, UpstreamResult } from './connector.ts';

/** What a round trip needs. */
export type RoundTripDeps = { flows: UpstreamFlowStore; site: Site; now: Date };

/** How long a browser may be away, in seconds. */
export const ROUND_TRIP_SECONDS = 600;

const contentSchema = z.object({
  purpose: z.unknown(),
  secrets: z.object({ state: z.string(), nonce: z.string().optional(), codeVerifier: z.string() }),
  answer: z.string().optional(),
});

/** Where a browser goes, and what for. */
type Departure = {
  connector: Connector;
  scopes: readonly string[];
  redirectUri: string;
  maxAgeSeconds?: number | undefined;
  /** Which callback takes the answer. */
  callback: string;
  /** Where the answer is then kept. */
  place(state: string): string;
  /** What the answer is for, as JSON. It is kept here, and never told there. */
  purpose: unknown;
};

/**
 * Where the browser is sent to. State, nonce and PKCE are made now, and the cookie that binds them to this browser is set
 * now, right before it goes (PX-11, PX-12).
 */
export async function beginRoundTrip(
  ctx: Context,
  { connector, scopes, redirectUri, maxAgeSeconds, callback, place, purpose }: Departure,
  { flows, site, now }: RoundTripDeps,
): Promise<UpstreamResult<URL>> {
  const begun = await connector.begin({ scopes, redirectUri, maxAgeSeconds });
  if (!begun.ok) return begun;
  const { url, secrets } = begun.value;
  const browserKey = randomBytes(32).toString('base64url');
  await flows.begin({
    state: secrets.state,
    browserKey,
    interaction: place(secrets.state),
    upstream: callback,
    content: JSON.stringify({ purpose, secrets }),
    now,
    ttlSeconds: ROUND_TRIP_SECONDS,
  });
  const { name, options } = cookieOf(secrets.state, site);
  ctx.cookies.set(name, browserKey, { ...options, maxAge: ROUND_TRIP_SECONDS * 1000 });
  return { ok: true, value: url };
}

/**
 * Takes the answer that a browser brings: with the state of a trip that this browser began, to this callback, once, in
 * time. What is in it is not looked at.
 *
 * @returns what it was begun for; undefined for every other answer
 */
export async function receiveRoundTrip(
  ctx: Context,
  callback: string,
  { flows, site, now }: RoundTripDeps,
): Promise<{ state: string; purpose: unknown } | undefined> {
  const answer = new URLSearchParams(ctx.querystring);
  const [state, ...others] = answer.getAll('state');
  if (!state || others.length > 0) return undefined;
  const { name, options } = cookieOf(state, site);
  const browserKey = ctx.cookies.get(name);
  if (browserKey === undefined) return undefined;
  const flow = await flows.answer({
    state,
    browserKey,
    upstream: callback,
    now,
    answered: (content) => JSON.stringify({ ...contentSchema.parse(JSON.parse(content)), answer: answer.toString() }),
  });
  if (!flow) return undefined;
  ctx.cookies.set(name, null, options);
  return { state, purpose: contentSchema.parse(JSON.parse(flow.content)).purpose };
}

/** The answer that is kept at a place, once, with what is needed to redeem it; undefined where there is none. */
export async function takeAnswer(
  place: string,
  { flows, now }: Pick<RoundTripDeps, 'flows' | 'now'>,
): Promise<{ flowId: string; callback: string; answer: URLSearchParams; secrets: FlowSecrets } | undefined> {
  const flow = await flows.take({ interaction: place, now });
  if (!flow) return undefined;
  const { answer, secrets } = contentSchema.parse(JSON.parse(flow.content));
  return {
    flowId: flow.id,
    callback: flow.upstream,
    answer: new URLSearchParams(answer),
    secrets: { ...secrets, nonce: secrets.nonce },
  };
}

/** One cookie for each trip, so that several tabs do not stand in each other's way. */
function cookieOf(state: string, { secure, basePath }: Site) {
  const suffix = createHash('sha256').update(state).digest('base64url').slice(0, 10);
  return {
    name: `${secure ? '__Host-' : ''}portcullis-upstream-${suffix}`,
    options: { httpOnly: true, sameSite: 'lax', secure, path: secure ? '/' : `${basePath}/upstream` } as const,
  };
}
