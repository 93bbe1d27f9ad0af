import { createLocalJWKSet, decodeJwt, decodeProtectedHeader, errors, type JWTPayload, jwtVerify } from 'jose';
import { z } from 'zod';
import { type IdentityProvider, type IdentityProviders, identityProviderOf } from './identity-provider.ts';
import type { ProviderKeysResult } from './provider-keys.ts';
import { type AssertionRefusal, refuse } from './refusal.ts';

/** The `typ` of an Identity Assertion JWT Authorization Grant. */
const ASSERTION_TYPE = 'oauth-id-jag+jwt';

const MAX_LENGTH = 16 * 1024;

/** How far the provider's clock may be from ours, in seconds. */
const CLOCK_SKEW_SECONDS = 30;

/** How long an assertion may live in all, in seconds; the specification asks for short lives without a number. */
const MAX_LIFETIME_SECONDS = 3600;

const payloadSchema = z.object({
  sub: z.string().min(1).max(1024),
  jti: z.string().min(1).max(1024),
  exp: z.number(),
  iat: z.number(),
  client_id: z.string(),
  resource: z.union([z.string(), z.array(z.string())]).optional(),
  scope: z.string().optional(),
  tenant: z.string().optional(),
  cnf: z.object({ jkt: z.string() }).optional(),
  authorization_details: z.unknown().optional(),
  email: z.string().optional(),
  email_verified: z.boolean().optional(),
});

/** A verified assertion: what its provider says, with nothing decided yet about what is given for it. */
export type Assertion = {
  issuer: string;
  provider: IdentityProvider;
  subject: string;
  /** Unique for the issuer until {@link Assertion.usableUntil}. */
  id: string;
  /** From then on it is refused because of its age. */
  usableUntil: Date;
  /** What access is for, as the provider spells it. */
  resource: string;
  /** Undefined where the provider names none. */
  scopes: readonly string[] | undefined;
  /** Thumbprint of the key that whoever presents it must prove; undefined where it is bound to none. */
  proofKey: string | undefined;
  email: string | undefined;
  emailVerified: boolean | undefined;
};

export type AssertionResult = { ok: true; assertion: Assertion } | { ok: false; refusal: AssertionRefusal };

/** What an assertion is verified against. */
export type AssertionContext = {
  providers: IdentityProviders;
  /** Our own issuer. */
  audience: string;
  /** The client that authenticated itself, or named itself. */
  clientId: string;
  keysOf(o: { issuer: string; provider: IdentityProvider; kid: string | undefined }): Promise<ProviderKeysResult>;
  now: Date;
};

/**
 * Verifies an Identity Assertion JWT Authorization Grant (EX-8).
 *
 * Checks its type, that its issuer is trusted, its signature under an allowed algorithm, one audience (ours), the
 * client, the times, that it names a tenant exactly where the configuration does, and exactly one resource. Does not
 * check whether it was used before, whether there is such a resource or user, or what either permits.
 * @see draft-ietf-oauth-identity-assertion-authz-grant-04, section 4.4.1
 */
export async function verifyAssertion(text: unknown, context: AssertionContext): Promise<AssertionResult> {
  const named = typeof text === 'string' && text.length <= MAX_LENGTH ? readUnverified(text) : undefined;
  if (typeof text !== 'string' || !named) return refuse('malformed');
  const { issuer, kid } = named;
  const provider = identityProviderOf(context.providers, issuer);
  if (!provider) return refuse('untrusted_issuer');
  const found = await context.keysOf({ issuer, provider, kid });
  if (!found.ok) return refuse('keys_unreachable', found.reason);
  const verified = await verifySignature(text, { issuer, provider, keys: found.keys, context });
  if (!verified.ok) return verified;
  return judgeClaims(verified.payload, { issuer, provider, context });
}

type Trusted = { issuer: string; provider: IdentityProvider; context: AssertionContext };

async function verifySignature(
  text: string,
  { issuer, provider, keys, context }: Trusted & { keys: readonly { kty: string }[] },
): Promise<{ ok: true; payload: JWTPayload } | { ok: false; refusal: AssertionRefusal }> {
  try {
    const { payload } = await jwtVerify(text, createLocalJWKSet({ keys: [...keys] }), {
      issuer,
      audience: context.audience,
      typ: ASSERTION_TYPE,
      algorithms: provider.algorithms,
      currentDate: context.now,
      clockTolerance: CLOCK_SKEW_SECONDS,
    });
    return { ok: true, payload };
  } catch (cause) {
    if (cause instanceof errors.JWTExpired) return refuse('expired');
    if (cause instanceof errors.JWTClaimValidationFailed) return refuse(REASONS[cause.claim] ?? 'malformed');
    // A TypeError is a key of the provider's that is of no use for the algorithm.
    if (cause instanceof errors.JOSEError || cause instanceof TypeError) return refuse('bad_signature');
    throw cause;
  }
}

const REASONS: Readonly<Record<string, AssertionRefusal['reason']>> = {
  typ: 'wrong_type',
  aud: 'wrong_audience',
  nbf: 'not_yet_valid',
};

function judgeClaims(payload: JWTPayload, { issuer, provider, context }: Trusted): AssertionResult {
  if (Array.isArray(payload.aud) && payload.aud.length !== 1) return refuse('wrong_audience');
  const { data: claims } = payloadSchema.safeParse(payload);
  if (!claims) return refuse('malformed');
  const { exp, iat, tenant, resource } = claims;
  if (claims.client_id !== context.clientId) return refuse('wrong_client');
  if (iat > context.now.getTime() / 1000 + CLOCK_SKEW_SECONDS) return refuse('not_yet_valid');
  if (exp - iat > MAX_LIFETIME_SECONDS) return refuse('lives_too_long');
  if (tenant !== provider.tenant) return refuse('wrong_tenant');
  // What narrows in a way that we do not understand must not be left out of account.
  if (claims.authorization_details !== undefined) return refuse('unsupported_claim');
  const [only, ...others] = [resource ?? []].flat();
  if (only === undefined) return refuse('no_resource');
  if (others.length > 0) return refuse('several_resources');
  return {
    ok: true,
    assertion: {
      issuer,
      provider,
      subject: claims.sub,
      id: claims.jti,
      usableUntil: new Date((exp + CLOCK_SKEW_SECONDS) * 1000),
      resource: only,
      scopes: claims.scope?.split(' ').filter(Boolean),
      proofKey: claims.cnf?.jkt,
      email: claims.email,
      emailVerified: claims.email_verified,
    },
  };
}

/** What an assertion says before anything is believed: whose it is, and which key would prove it. */
function readUnverified(text: string): { issuer: string; kid: string | undefined } | undefined {
  try {
    const { iss } = decodeJwt(text);
    const { kid } = decodeProtectedHeader(text);
    return typeof iss === 'string' ? { issuer: iss, kid: typeof kid === 'string' ? kid : undefined } : undefined;
  } catch {
    return undefined;
  }
}
