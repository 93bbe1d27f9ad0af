import { roleName } from '@portcullis/platform';
import { z } from 'zod';
import { type ClaimedPerson, newUsersBySignInSchema } from './new-user.ts';

/** The part of an upstream's configuration that lets people sign in through it. */
export const signInPolicySchema = z
  .strictObject({
    scopes: z
      .array(z.string().regex(/^[\x21\x23-\x5B\x5D-\x7E]{1,200}$/, 'is no scope (RFC 6749 §3.3)'))
      .default(['openid', 'email', 'profile'])
      .refine((scopes) => scopes.includes('openid'), 'must hold openid')
      .describe('What is asked for, to know who somebody is. Nothing of what it gives is kept.'),
    groupsClaim: z.string().min(1).default('groups').describe('The claim that lists the groups of a person.'),
    roles: z
      .record(roleName, z.array(z.string().min(1)).min(1))
      .default({})
      .describe('Groups by the role that their members hold here, judged at each sign-in.'),
    newUsers: newUsersBySignInSchema.optional(),
  })
  .describe('Lets people sign in through it, beside passwords. It must give ID tokens (OpenID Connect).');

/** How people sign in through an upstream. */
export type SignInPolicy = z.infer<typeof signInPolicySchema>;

/** What shows that an e-mail address is in the hands of the organisation: Google's and Microsoft's own claims. */
export type DomainClaim = 'hd' | 'tid';

/** What an ID token says about a person; other members are not looked at. */
const claimsSchema = z.looseObject({
  email: z.string().optional(),
  email_verified: z.union([z.boolean(), z.enum(['true', 'false']).transform((text) => text === 'true')]).optional(),
  hd: z.string().optional(),
  tid: z.string().optional(),
  auth_time: z.number().optional(),
  preferred_username: z.string().optional(),
});

/** A person as an upstream describes them. */
export type SignedInThere = ClaimedPerson & {
  groups: readonly string[];
  /** In words that the person knows themselves by; shown, never compared. */
  label: string | undefined;
  /** When they proved who they are there; undefined where the upstream does not say. */
  authenticatedAt: Date | undefined;
};

const LABEL_CHARACTERS = 100;

/**
 * Reads the claims of a validated ID token. An address counts as verified only where the upstream says so. Google lets
 * people use any address they can read mail at, so that there the organisation's own `hd` must be the domain as well;
 * Microsoft says nothing of the kind, and `tid` must be the tenant of the configuration.
 */
export function readClaims(
  claims: Readonly<Record<string, unknown>>,
  {
    groupsClaim,
    domainClaim,
    tenant,
  }: { groupsClaim: string; domainClaim?: DomainClaim | undefined; tenant?: string | undefined },
): SignedInThere {
  const { data = {} } = claimsSchema.safeParse(claims);
  const { email, email_verified: verified, hd, tid, auth_time: authTime, preferred_username: name } = data;
  const emailDomain = email?.trim().toLowerCase().split('@').at(-1);
  const isProven = {
    hd: verified === true && hd !== undefined && hd.toLowerCase() === emailDomain,
    tid: verified !== false && tid !== undefined && tid === tenant,
    none: verified === true,
  };
  const groups: unknown = Object.hasOwn(claims, groupsClaim) ? claims[groupsClaim] : [];
  return {
    email,
    emailVerified: isProven[domainClaim ?? 'none'],
    groups: Array.isArray(groups) ? groups.filter((group) => typeof group === 'string') : [],
    label: (email ?? name)?.slice(0, LABEL_CHARACTERS),
    authenticatedAt: authTime === undefined ? undefined : new Date(authTime * 1000),
  };
}

/** The roles that the groups of a person give them. Only a rule that names a role gives it, `admin` too. */
export function rolesOfGroups(groups: readonly string[], { roles }: Pick<SignInPolicy, 'roles'>): string[] {
  return Object.entries(roles)
    .filter(([, members]) => members.some((group) => groups.includes(group)))
    .map(([role]) => role);
}

/**
 * The roles of a user after a sign-in: what the groups gave before and do not give any more is taken, what they give is
 * there, and what an administrator gave stays. `given` are the roles that a later sign-in may take.
 */
export function rolesAfterSignIn({
  held,
  given,
  mapped,
}: {
  held: readonly string[];
  given: readonly string[];
  mapped: readonly string[];
}): { roles: string[]; given: string[] } {
  const own = held.filter((role) => !given.includes(role));
  return { roles: [...new Set([...own, ...mapped])], given: mapped.filter((role) => !own.includes(role)) };
}
