import type { Context } from 'koa';
import { z } from 'zod';
import { readClaims, type SignedInThere, type SignInPolicy } from '../identities/sign-in-policy.ts';
import { pageUrl, type Site } from '../site.ts';
import type { Connector, UpstreamResult } from './connector.ts';
import { beginRoundTrip, type RoundTripDeps, receiveRoundTrip, takeAnswer } from './round-trip.ts';

/** An upstream that people sign in through. Its connector asks for nothing but who they are. */
export type SignInProvider = { connector: Connector; policy: SignInPolicy };

/** The providers by the name of their upstream. */
export type SignInProviders = ReadonlyMap<string, SignInProvider>;

/** What going there and back needs. */
export type SignInFlowDeps = RoundTripDeps & { signInProviders: SignInProviders };

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

/** Who came back from a provider: issuer and subject, and what it says about them. */
export type Identified = { provider: string; issuer: string; subject: string; person: SignedInThere };

/** Where the browser is sent to, to sign in there; with `maxAgeSeconds` the provider is asked for a sign-in that is no older. */
export async function beginSignIn(
  ctx: Context,
  {
    provider,
    purpose,
    maxAgeSeconds,
  }: { provider: string; purpose: SignInPurpose; maxAgeSeconds?: number | undefined },
  deps: SignInFlowDeps,
): Promise<UpstreamResult<URL>> {
  const { connector, policy } = providerOf(deps.signInProviders, provider);
  const redirectUri = callbackUrl(deps.site, provider);
  const departure = { connector, scopes: policy.scopes, redirectUri, maxAgeSeconds, callback: flowName(provider) };
  return beginRoundTrip(ctx, { ...departure, place: (state) => placeOf(purpose, state), purpose }, deps);
}

/**
 * Takes the answer that a browser brings from a provider. Nothing is redeemed yet.
 *
 * @returns what it went for, and where the answer is kept; undefined for an answer that this browser did not go for
 */
export async function receiveSignIn(
  ctx: Context,
  provider: string,
  deps: RoundTripDeps,
): Promise<{ purpose: SignInPurpose; place: string } | undefined> {
  const received = await receiveRoundTrip(ctx, flowName(provider), deps);
  if (!received) return undefined;
  const purpose = purposeSchema.parse(received.purpose);
  return { purpose, place: placeOf(purpose, received.state) };
}

/** Redeems an answer that was received, once; undefined where there is none. */
export async function finishSignIn(
  place: string,
  { flows, signInProviders, site, now }: SignInFlowDeps,
): Promise<{ provider: string; result: UpstreamResult<Identified> } | undefined> {
  const taken = await takeAnswer(place, { flows, now });
  const provider = taken && providerNamed(taken.callback);
  if (!taken || provider === undefined) return undefined;
  const { connector, policy } = providerOf(signInProviders, provider);
  const { answer, secrets } = taken;
  const identified = await connector.identify({ answer, secrets, redirectUri: callbackUrl(site, provider) });
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

/** The issuers whose identities let people sign in. */
export function issuersOf(providers: SignInProviders): ReadonlySet<string> {
  return new Set([...providers.values()].map(({ connector }) => connector.upstream.issuer));
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
