import { scopeName } from '@portcullis/platform';
import { z } from 'zod';
import { fetchTarget } from '../egress/fetch-target.ts';
import { newUsersSchema } from '../identities/new-user.ts';

/** Signatures that only the holder of a private key can make. */
const ALGORITHMS = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
  'Ed25519',
] as const;

const publicKey = z
  .looseObject({ kty: z.enum(['EC', 'RSA', 'OKP']) })
  .refine((key) => !('d' in key), 'holds a private key; only the public part belongs here');

const issuer = z.string().refine(isIssuer, 'is no https URL without query and fragment');

const identityProvider = z
  .strictObject({
    jwks: z
      .strictObject({ keys: z.array(publicKey).min(1) })
      .optional()
      .describe('Its public keys, where this server cannot fetch them: they have to be replaced by hand.'),
    jwksUri: z
      .string()
      .optional()
      .describe('Where its public keys are; by default where its OpenID Connect metadata says.'),
    algorithms: z
      .array(z.enum(ALGORITHMS))
      .min(1)
      .default(['RS256', 'PS256', 'ES256', 'EdDSA', 'Ed25519'])
      .describe('How its assertions may be signed.'),
    tenant: z
      .string()
      .min(1)
      .optional()
      .describe('The claim `tenant` of its assertions, for an issuer that serves several organisations.'),
    clients: z
      .array(z.string().min(1))
      .min(1)
      .optional()
      .describe('The only clients that may use its assertions; by default all that authenticate themselves.'),
    scopes: z
      .array(scopeName)
      .min(1)
      .optional()
      .describe('The most that its assertions can allow; by default what the resource and the user permit.'),
    newUsers: newUsersSchema.optional(),
  })
  .refine(({ jwks, jwksUri }) => jwks === undefined || jwksUri === undefined, 'has jwks and jwksUri; one is enough')
  .describe('An identity provider whose assertions (ID-JAG) are taken.');

/** The part of the configuration file about enterprise-managed authorization; off while it names no provider. */
export const enterpriseAuthorizationSchema = z
  .strictObject({
    identityProviders: z
      .record(issuer, identityProvider)
      .default({})
      .describe('Identity providers by the `iss` of their assertions, exactly as it stands there.'),
  })
  .describe('Enterprise-managed authorization: an identity provider allows clients in place of the users (ID-JAG).');

/** Whose assertions are taken, by issuer. */
export type IdentityProviders = z.infer<typeof enterpriseAuthorizationSchema>['identityProviders'];

/** An identity provider whose assertions are taken. */
export type IdentityProvider = IdentityProviders[string];

/** The provider with exactly this issuer. */
export function identityProviderOf(providers: IdentityProviders, issuer: string): IdentityProvider | undefined {
  return Object.hasOwn(providers, issuer) ? providers[issuer] : undefined;
}

/** Where the metadata of an OpenID Connect issuer stands (OpenID Connect Discovery, section 4). */
export function discoveryUrl(issuer: string): string {
  return `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`;
}

/**
 * What is wrong with the providers that their schema cannot know, in words for whoever wrote them: URLs that this
 * server would not fetch, and roles that there are not.
 */
export function identityProviderProblems(
  providers: IdentityProviders,
  { fetchPorts, roles }: { fetchPorts: readonly number[]; roles: readonly string[] },
): string[] {
  return Object.entries(providers).flatMap(([iss, { jwks, jwksUri, newUsers }]) => {
    const at = `Configuration file, enterpriseAuthorization → identityProviders → ${iss}`;
    const fetched = jwksUri ?? discoveryUrl(iss);
    const unknown = newUsers?.roles.filter((role) => !roles.includes(role)) ?? [];
    return [
      ...(jwks === undefined && !fetchTarget(fetched, { ports: fetchPorts, trusted: [] })
        ? [
            `${at}${jwksUri === undefined ? '' : ' → jwksUri'}: its keys are fetched by https from a host name and port 443 only (or a port in clientMetadataDocuments → ports). Put them under jwks instead.`,
          ]
        : []),
      ...(unknown.length > 0
        ? [`${at} → newUsers → roles: ${unknown.join(', ')} is no role here; there are ${roles.join(', ')}.`]
        : []),
    ];
  });
}

function isIssuer(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, username, password } = new URL(text);
  return protocol === 'https:' && username === '' && password === '' && !/[?#]/.test(text);
}
