import { z } from 'zod';

/** Scopes that would grant everything: least privilege knows no such thing (SP-7). */
const OMNIBUS_SCOPES = ['*', 'all', 'full-access', 'full_access'];

/** A name that people read: no control characters, nothing that cannot be seen. */
const readable = z.string().regex(/^[^\p{Cc}\p{Cf}\p{Zl}\p{Zp}]*$/u, 'must not contain characters that cannot be seen');

/** The name of one capability (RFC 6749 §3.3). */
export const scopeName = z
  .string()
  .regex(/^[\x21\x23-\x5B\x5D-\x7E]{1,100}$/, 'is no scope (RFC 6749 §3.3)')
  .refine((name) => !OMNIBUS_SCOPES.includes(name), 'would grant everything; name one capability (SP-7)');

/** The name of a role. */
export const roleName = z.string().regex(/^[a-z][a-z0-9-]{0,39}$/, 'is no name for a role');

const ownScopeName = scopeName.refine(
  (name) => !name.startsWith('admin:'),
  'is a name that only the administration of this server uses',
);

const scope = z
  .strictObject({
    description: readable
      .min(1)
      .max(200)
      .describe('What the scope allows, in plain words, as the consent page shows it.'),
    sensitive: z.boolean().default(false).describe('Not ticked to begin with on the consent page.'),
  })
  .describe('One capability that a user can grant.');

/** What this server calls a third-party service: it stands in the URL of a callback and in the name of a variable. */
export const upstreamName = z
  .string()
  .regex(/^[a-z][a-z0-9-]{0,29}$/, 'is no name for an upstream: lower-case letters, digits and hyphens, at most 30');

/** A scope of a third-party service. */
export const upstreamScope = z.string().regex(/^[\x21\x23-\x5B\x5D-\x7E]{1,200}$/, 'is no scope (RFC 6749 §3.3)');

const upstreamUse = z
  .strictObject({
    name: upstreamName.describe('One of `upstreams` in the configuration file.'),
    scopes: z
      .record(z.string(), z.array(upstreamScope).min(1).max(100))
      .describe('Which scopes of the upstream each scope of this resource needs.'),
  })
  .describe('The upstream that the server of this resource works with in the name of its users.');

/** Which scopes of an upstream the scopes of a resource need. */
export type UpstreamUse = z.infer<typeof upstreamUse>;

/** A protected resource as the configuration file and the admin API describe it; its URL stands beside. */
export const resourceFields = {
  name: readable.min(1).max(80).describe('The name that the consent page shows.'),
  scopes: z
    .record(ownScopeName, scope)
    .refine((all) => Object.keys(all).length > 0, 'needs at least one scope')
    .refine((all) => Object.keys(all).length <= 100, 'has more than 100 scopes'),
  defaultScopes: z.array(scopeName).min(1).max(100).describe('What a request without scope gets.'),
  proofOfPossession: z
    .enum(['dpop', 'certificate'])
    .optional()
    .describe('What every token for it must be bound to. Without it, bearer tokens are issued too.'),
  roles: z
    .record(roleName, z.array(scopeName).max(100))
    .optional()
    .describe('Which of these scopes each role lets its holder grant, beside what `roles` of the configuration says.'),
  upstream: upstreamUse.optional(),
};

type Named = {
  scopes: object;
  defaultScopes: readonly string[];
  roles?: Readonly<Record<string, readonly string[]>> | undefined;
};

/** Finds names of scopes that the resource itself does not have. */
export function checkScopeNames({ scopes, defaultScopes, roles = {} }: Named, context: z.RefinementCtx): void {
  const foreign = (names: readonly string[]) => names.filter((name) => !Object.hasOwn(scopes, name)).join(', ');
  if (foreign(defaultScopes) !== '') {
    const message = 'defaultScopes names a scope that scopes does not have';
    context.addIssue({ code: 'custom', path: ['defaultScopes'], message });
  }
  for (const [role, granted] of Object.entries(roles)) {
    if (foreign(granted) === '') continue;
    context.addIssue({ code: 'custom', path: ['roles', role], message: `no such scope here: ${foreign(granted)}` });
  }
}
