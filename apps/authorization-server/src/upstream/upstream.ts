import { isLoopbackHost, type Secret, type UpstreamUse, upstreamName, upstreamScope } from '@portcullis/platform';
import { z } from 'zod';
import { type DomainClaim, type SignInPolicy, signInPolicySchema } from '../identities/sign-in-policy.ts';
import {
  PRESET_NAMES,
  type Revocation,
  TENANT,
  UPSTREAM_PRESETS,
  type UpstreamPreset,
  type UserEndpoint,
} from './presets.ts';

/** A third-party authorization server, and what this server is there. */
export type Upstream = Readonly<{
  /** What the configuration calls it. */
  key: string;
  /** What the pages call it. */
  name: string;
  issuer: string;
  /** How its metadata is found; undefined where its endpoints are given. */
  discovery: 'openid' | 'oauth2' | undefined;
  namesItself: boolean;
  authorizationEndpoint: string | undefined;
  tokenEndpoint: string | undefined;
  revocation: Revocation | undefined;
  /** Whether revoking one token ends all that its user gave this server there. */
  revokesAll: boolean;
  /** Whether each of its tokens has all that its user ever agreed to there, so that none can be kept to fewer scopes. */
  scopesAccumulate: boolean;
  /** Where it says who the user is; undefined where ID tokens do. */
  user: UserEndpoint | undefined;
  clientId: string;
  clientSecret: Secret | undefined;
  clientAuthentication: 'client_secret_basic' | 'client_secret_post' | 'none';
  baseScopes: readonly string[];
  /** Its scopes in plain words. */
  scopes: Readonly<Record<string, string>>;
  authorizationParameters: Readonly<Record<string, string>>;
  /** How people sign in through it; undefined where they do not. */
  signIn: SignInPolicy | undefined;
  domainClaim: DomainClaim | undefined;
  /** The one tenant of Microsoft Entra whose people are meant. */
  tenant: string | undefined;
}>;

const url = z.string().refine(isProtectedUrl, 'must be an https URL (or http on loopback) without query and fragment');

/** Parameters that the flow itself sets. */
const OWN_PARAMETERS = [
  'client_id',
  'redirect_uri',
  'response_type',
  'response_mode',
  'scope',
  'state',
  'nonce',
  'code_challenge',
  'code_challenge_method',
];

/** One member of `upstreams` in the configuration file. Its secret stands in the environment. */
const upstreamFields = z.strictObject({
  preset: z.enum(PRESET_NAMES).optional().describe('A service that is known; only what differs has to be given.'),
  name: z.string().min(1).max(80).optional().describe('The name that the pages show.'),
  clientId: z.string().min(1).max(500).describe('What this server is called there.'),
  clientAuthentication: z
    .enum(['client_secret_basic', 'client_secret_post', 'none'])
    .optional()
    .describe('How it proves that; client_secret_basic where nothing else is said.'),
  tenant: z
    .string()
    .regex(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/, 'must be the id of one tenant, in lower case: common is none')
    .optional()
    .describe('The tenant of Microsoft Entra.'),
  issuer: url.optional().describe('The issuer identifier, exactly as its metadata has it.'),
  discovery: z
    .enum(['openid', 'oauth2', 'none'])
    .optional()
    .describe('Whether its endpoints are found by OpenID Connect Discovery, by RFC 8414, or are given here.'),
  authorizationEndpoint: url.optional(),
  tokenEndpoint: url.optional(),
  revocationEndpoint: url.optional().describe('Where tokens are revoked (RFC 7009).'),
  revokesAll: z
    .boolean()
    .optional()
    .describe(
      'Whether revoking one token there ends all that its user gave this server, as at Google. Then only the last of an account is revoked.',
    ),
  namesItself: z
    .boolean()
    .optional()
    .describe('Whether its answers carry `iss` (RFC 9207). Without it they are refused then.'),
  user: z
    .strictObject({
      endpoint: url.describe('Answers JSON about the user whose token it gets.'),
      id: z
        .string()
        .min(1)
        .default('sub')
        .describe('The member that never changes and is never given to somebody else.'),
      label: z.string().min(1).optional().describe('A member in words for people, such as a user name.'),
    })
    .optional()
    .describe('Where it says who the user is. Not needed where it gives ID tokens.'),
  baseScopes: z.array(upstreamScope).optional().describe('Scopes to ask for in every case, such as offline_access.'),
  authorizationParameters: z
    .record(z.string(), z.string())
    .optional()
    .refine((all) => !Object.keys(all ?? {}).some((name) => OWN_PARAMETERS.includes(name)), {
      message: `cannot set ${OWN_PARAMETERS.join(', ')}`,
    })
    .describe('Further parameters of the authorization request.'),
  scopes: z.record(upstreamScope, z.string().min(1).max(200)).default({}).describe('Its scopes in plain words.'),
  signIn: signInPolicySchema.optional(),
});

type Given = z.output<typeof upstreamFields>;

const upstreamSchema = upstreamFields
  .superRefine((given, context) => {
    for (const [path, message] of problemsOf(given)) context.addIssue({ code: 'custom', path: [path], message });
  })
  .describe('A third-party authorization server.');

/** `upstreams` of the configuration file. */
export const upstreamsSchema = z
  .record(upstreamName, upstreamSchema)
  .describe('Third-party authorization servers that this server sends users to, by the name that resources call them.');

function problemsOf(given: Given): [string, string][] {
  const preset = presetOf(given);
  const { discovery = preset?.discovery ?? 'none' } = given;
  const missing = (name: 'authorizationEndpoint' | 'tokenEndpoint' | 'user' | 'issuer'): [string, string][] =>
    given[name] === undefined && preset?.[name] === undefined ? [[name, 'is missing; there is no preset for it']] : [];
  return [
    ...missing('issuer'),
    ...(discovery === 'none' ? [...missing('authorizationEndpoint'), ...missing('tokenEndpoint')] : []),
    ...(discovery === 'openid' ? [] : missing('user')),
    ...(given.preset === 'entra' && given.tenant === undefined && given.issuer === undefined
      ? ([['tenant', 'is missing; say whose accounts are meant']] satisfies [string, string][])
      : []),
    ...(given.signIn && discovery !== 'openid'
      ? ([['signIn', 'needs ID tokens (discovery "openid"): an access token does not say who came']] satisfies [
          string,
          string,
        ][])
      : []),
    ...(given.signIn && given.preset === 'entra' && given.tenant === undefined && given.issuer !== undefined
      ? ([['tenant', 'is missing; say whose people may sign in']] satisfies [string, string][])
      : []),
    ...(given.tenant !== undefined && given.preset !== 'entra'
      ? ([['tenant', 'is for the preset entra only']] satisfies [string, string][])
      : []),
  ];
}

function presetOf({ preset }: { preset?: keyof typeof UPSTREAM_PRESETS | undefined }): UpstreamPreset | undefined {
  return preset && UPSTREAM_PRESETS[preset];
}

/** Fills in what a preset knows. */
export function upstreamOf(key: string, given: Given, clientSecret: Secret | undefined): Upstream {
  const preset = presetOf(given);
  const { discovery = preset?.discovery ?? 'none' } = given;
  const openid = discovery === 'openid';
  const revocation =
    given.revocationEndpoint === undefined
      ? preset?.revocation
      : ({ style: 'rfc7009', endpoint: given.revocationEndpoint } as const);
  return {
    key,
    name: given.name ?? preset?.name ?? key,
    issuer: given.issuer ?? (preset?.issuer ?? '').replace(TENANT, given.tenant ?? ''),
    discovery: discovery === 'none' ? undefined : discovery,
    namesItself: given.namesItself ?? preset?.namesItself ?? false,
    authorizationEndpoint: given.authorizationEndpoint ?? preset?.authorizationEndpoint,
    tokenEndpoint: given.tokenEndpoint ?? preset?.tokenEndpoint,
    revocation: revocation && { ...revocation, endpoint: revocation.endpoint.replace('{client_id}', given.clientId) },
    revokesAll: given.revokesAll ?? preset?.revokesAll ?? false,
    scopesAccumulate: preset?.scopesAccumulate ?? false,
    user: given.user ?? preset?.user,
    clientId: given.clientId,
    clientSecret,
    clientAuthentication: given.clientAuthentication ?? preset?.clientAuthentication ?? 'client_secret_basic',
    baseScopes: given.baseScopes ?? preset?.baseScopes ?? (openid ? ['openid'] : []),
    scopes: { ...preset?.scopes, ...given.scopes },
    authorizationParameters: { ...preset?.authorizationParameters, ...given.authorizationParameters },
    signIn: given.signIn,
    domainClaim: preset?.domainClaim,
    tenant: given.tenant,
  };
}

/** Which roles people would get by signing in that there are not. */
export function signInRoleProblems(upstreams: readonly Upstream[], known: readonly string[]): string[] {
  return upstreams.flatMap(({ key, signIn }) => {
    const named = [...Object.keys(signIn?.roles ?? {}), ...(signIn?.newUsers?.roles ?? [])];
    const unknown = [...new Set(named.filter((role) => !known.includes(role)))];
    if (unknown.length === 0) return [];
    return [
      `Configuration file, upstreams → ${key} → signIn: ${unknown.join(', ')} is no role here; there are ${known.join(', ')}.`,
    ];
  });
}

/** The variable with an upstream's secret. */
export function upstreamSecretVariable(key: string): string {
  return `PORTCULLIS_UPSTREAM_${key.toUpperCase().replaceAll('-', '_')}_SECRET`;
}

/** The origins that the operator named, which may lie in a network of their own. */
export function upstreamOrigins({
  issuer,
  authorizationEndpoint,
  tokenEndpoint,
  revocation,
  user,
}: Upstream): string[] {
  const named = [issuer, authorizationEndpoint, tokenEndpoint, revocation?.endpoint, user?.endpoint];
  return [...new Set(named.flatMap((text) => (text === undefined ? [] : [new URL(text).origin])))];
}

/** The scopes of a resource's upstream that some of its own scopes need; sorted, and none twice. */
export function upstreamScopesOf(
  { upstream }: { upstream?: UpstreamUse | undefined },
  scopes: readonly string[],
): string[] {
  const needed = scopes.flatMap((scope) =>
    Object.hasOwn(upstream?.scopes ?? {}, scope) ? upstream?.scopes[scope] : [],
  );
  return [...new Set(needed.filter((scope) => scope !== undefined))].sort();
}

function isProtectedUrl(text: string): boolean {
  if (!URL.canParse(text) || /[?#\s]/.test(text)) return false;
  const { protocol, hostname, username, password } = new URL(text);
  if (username !== '' || password !== '') return false;
  return protocol === 'https:' || (protocol === 'http:' && isLoopbackHost(hostname));
}
