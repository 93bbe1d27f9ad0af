import { randomBytes } from 'node:crypto';
import type { UpstreamFlowStore } from '@portcullis/persistence';
import type { Context } from 'koa';
import { z } from 'zod';
import { readClaims, type SignedInThere, type SignInPolicy } from '../identities/sign-in-policy.ts';
import { pageUrl, type Site } from '../site.ts';
import type { Connector, UpstreamResult } from './connector.ts';
import { FLOW_TTL_SECONDS, flowCookie } from './flow.ts';

/** An upstream that people sign in through. Its connector asks for nothing but who they are. */
export type SignInProvider = { connector: Connector; policy: SignInPolicy };

/** The providers by the name of their upstream. */
export type SignInProviders = ReadonlyMap<string, SignInProvider>;

/** What going there and back needs. */
export type SignInFlowDeps = { flows: UpstreamFlowStore; signInProviders: SignInProviders; site: Site; now: Date };

const purposeSchema = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('interaction'), uid: z.string() }),
  z.object({ kind: z.literal('account'), confirmation: z.string().optional() }),
  z.object({ kind: z.literal('link'), userId: z.string(), signInId: z.string() }),
]);

/**
 * What somebody goes to a provider for: to sign in at a step of an authorization, or at the account page (perhaps to
 * confirm a call of an app), or to add a way to sign in to the account that is signed in. It is kept here, and never told there.
 */
export type SignInPurpose = z.infer<typeof purposeSchema>;

const contentSchema = z.object({
  purpose: purposeSchema,
  secrets: z.object({ state: z.string(), nonce: z.string().optional(), codeVerifier: z.string() }),
  answer: z.string().optional(),
});

/** Who came back from a provider: issuer and subject, and what it says about them. */
export type Identified = { provider: string; issuer: string; subject: string; person: SignedInThere };

/**
 * Where the browser is sent to, to sign in there. State, nonce and PKCE are made now, and bound to this browser by a
 * cookie of their own; with `maxAgeSeconds` the provider is asked for a sign-in that is no older.
 */
export async function beginSignIn(
  ctx: Context,
  o: { provider: string; purpose: SignInPurpose; maxAgeSeconds?: number | undefined },
  { flows, signInProviders, site, now }: SignInFlowDeps,
): Promise<UpstreamResult<URL>> {
  const { connector, policy } = providerOf(signInProviders, o.provider);
  const begun = await connector.begin({
    scopes: policy.scopes,
    redirectUri: callbackUrl(site, o.provider),
    maxAgeSeconds: o.maxAgeSeconds,
  });
  if (!begun.ok) return begun;
  const { url, secrets } = begun.value;
  const browserKey = randomBytes(32).toString('base64url');
  await flows.begin({
    state: secrets.state,
    browserKey,
    interaction: placeOf(o.purpose, secrets.state),
    upstream: flowName(o.provider),
    content: JSON.stringify({ purpose: o.purpose, secrets }),
    now,
    ttlSeconds: FLOW_TTL_SECONDS,
  });
  const { name, options } = flowCookie(secrets.state, site);
  ctx.cookies.set(name, browserKey, { ...options, maxAge: FLOW_TTL_SECONDS * 1000 });
  return { ok: true, value: url };
}

/**
 * Takes the answer that a browser brings from a provider: with the state of a way that this browser went, to this
 * provider, once, in time. Nothing is redeemed yet.
 *
 * @returns what it went for, and where the answer is kept; undefined for every other answer
 */
export async function receiveSignIn(
  ctx: Context,
  provider: string,
  { flows, site, now }: Omit<SignInFlowDeps, 'signInProviders'>,
): Promise<{ purpose: SignInPurpose; place: string } | undefined> {
  const answer = new URLSearchParams(ctx.querystring);
  const [state, ...others] = answer.getAll('state');
  if (!state || others.length > 0) return undefined;
  const { name, options } = flowCookie(state, site);
  const browserKey = ctx.cookies.get(name);
  if (browserKey === undefined) return undefined;
  const flow = await flows.answer({
    state,
    browserKey,
    upstream: flowName(provider),
    now,
    answered: (content) => JSON.stringify({ ...contentSchema.parse(JSON.parse(content)), answer: answer.toString() }),
  });
  if (!flow) return undefined;
  ctx.cookies.set(name, null, options);
  const { purpose } = contentSchema.parse(JSON.parse(flow.content));
  return { purpose, place: placeOf(purpose, state) };
}

/** Redeems an answer that was received, once; undefined where there is none. */
export async function finishSignIn(
  place: string,
  { flows, signInProviders, site, now }: SignInFlowDeps,
): Promise<{ provider: string; result: UpstreamResult<Identified> } | undefined> {
  const flow = await flows.take({ interaction: place, now });
  const provider = flow && providerNamed(flow.upstream);
  if (!flow || provider === undefined) return undefined;
  const { connector, policy } = providerOf(signInProviders, provider);
  const { answer, secrets } = contentSchema.parse(JSON.parse(flow.content));
  const identified = await connector.identify({
    answer: new URLSearchParams(answer),
    secrets: { ...secrets, nonce: secrets.nonce },
    redirectUri: callbackUrl(site, provider),
  });
  if (!identified.ok) return { provider, result: identified };
  const { issuer, domainClaim, tenant } = connector.upstream;
  const person = readClaims(identified.value, { groupsClaim: policy.groupsClaim, domainClaim, tenant });
  return { provider, result: { ok: true, value: { provider, issuer, subject: identified.value.sub, person } } };
}

/** Where the answer for a step of an authorization is kept. */
export function placeOfInteraction(uid: string): string {
  return `sign-in of ${uid}`;
}

/** The providers with what the pages call them. */
export function namedProviders(providers: SignInProviders): { key: string; name: string }[] {
  return [...providers].map(([key, { connector }]) => ({ key, name: connector.upstream.name }));
}

/** A provider of the configuration. @throws for a name that it does not have */
export function providerOf(providers: SignInProviders, provider: string): SignInProvider {
  const found = providers.get(provider);
  if (!found) throw new Error(`nobody signs in through ${provider}`);
  return found;
}

function placeOf(purpose: SignInPurpose, state: string): string {
  return purpose.kind === 'interaction' ? placeOfInteraction(purpose.uid) : `sign-in with ${state}`;
}

const FLOW_PREFIX = 'sign-in:';

/** No way that fetches access is ever finished as a sign-in, nor the other way round. */
function flowName(provider: string): string {
  return `${FLOW_PREFIX}${provider}`;
}

function providerNamed(flow: string): string | undefined {
  return flow.startsWith(FLOW_PREFIX) ? flow.slice(FLOW_PREFIX.length) : undefined;
}

/** Our redirect URI for signing in: another one than for access, and one for each provider. */
function callbackUrl(site: Site, provider: string): string {
  return pageUrl(site, `/upstream/${provider}/sign-in`);
}
