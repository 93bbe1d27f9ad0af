import { roleName } from '@portcullis/platform';
import { z } from 'zod';

const domain = z.string().regex(/^[a-z0-9-]+(\.[a-z0-9-]+)+$/, 'is no domain in lower case, such as acme.example');

const emailDomains = z.array(domain).min(1).describe('Their e-mail address must be in one of these domains, exactly.');

const newRoles = z.array(roleName).min(1).describe('The roles that they get. `admin` only if it stands here by name.');

/** Whether people who are unknown here become users by an assertion, and which of them. */
export const newUsersSchema = z
  .strictObject({ emailDomains, roles: newRoles })
  .describe('Makes a user of somebody who is unknown here; by default nobody is made one.');

/** Whether people who are unknown here become users at their first sign-in, and which of them. */
export const newUsersBySignInSchema = z
  .strictObject({
    emailDomains: emailDomains.optional(),
    groups: z.array(z.string().min(1)).min(1).optional().describe('They must be in one of these groups there.'),
    roles: newRoles,
  })
  .refine(
    (rule) => rule.emailDomains !== undefined || rule.groups !== undefined,
    'must say who: emailDomains, groups, or both',
  )
  .describe('Makes a user of somebody who is unknown here; by default nobody is made one.');

/** Who becomes a user at their first sign-in; all that is given must hold. */
export type NewUsers = {
  emailDomains?: readonly string[] | undefined;
  groups?: readonly string[] | undefined;
  roles: readonly string[];
};

/** What an identity provider says about a person. */
export type ClaimedPerson = {
  email: string | undefined;
  emailVerified: boolean | undefined;
  groups?: readonly string[] | undefined;
};

/** Whom to make a user, or why nobody. */
export type NewUserResult =
  | { ok: true; email: string; roles: readonly string[] }
  | { ok: false; reason: 'unknown_user' | 'no_email' | 'unverified_email' | 'foreign_domain' | 'foreign_group' };

/**
 * Judges whether somebody becomes a user here. An address that its own provider calls unverified never counts. That
 * the address belongs to a user already is not asked here, and never makes the two the same person.
 */
export function newUser(
  { email, emailVerified, groups = [] }: ClaimedPerson,
  rule: NewUsers | undefined,
): NewUserResult {
  if (!rule) return { ok: false, reason: 'unknown_user' };
  const address = email?.trim().toLowerCase();
  const [, domainOf] = /^[^\s@\0]+@([^\s@]+)$/.exec(address ?? '') ?? [];
  if (address === undefined || domainOf === undefined || address.length > 254) return { ok: false, reason: 'no_email' };
  if (emailVerified === false) return { ok: false, reason: 'unverified_email' };
  if (rule.emailDomains && !rule.emailDomains.includes(domainOf)) return { ok: false, reason: 'foreign_domain' };
  if (rule.groups && !rule.groups.some((group) => groups.includes(group)))
    return { ok: false, reason: 'foreign_group' };
  return { ok: true, email: address, roles: [...new Set(rule.roles)] };
}
