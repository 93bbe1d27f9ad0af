import { errors, type KoaContextWithOIDC, type ResourceServer } from 'oidc-provider';
import { findResource, type Resource } from '../resources.ts';
import { permittedScopes, type RolePermissions } from '../roles.ts';
import { rolesOf } from './accounts.ts';

/** What the engine is told about resources. */
export type ResourceOptions = {
  resources: readonly [Resource, ...Resource[]];
  roles: RolePermissions;
  accessTokenTtlSeconds: number;
};

/** The engine's `resourceIndicators` feature: known resources only, canonical audience, RFC 9068 tokens (RFC 8707). */
export function resourceIndicators({ resources, roles, accessTokenTtlSeconds }: ResourceOptions) {
  return {
    enabled: true,
    defaultResource: (_ctx: unknown, _client: unknown, oneOf?: readonly string[]) => oneOf?.[0] ?? resources[0].url,
    useGrantedResource: () => true,
    getResourceServerInfo(ctx: KoaContextWithOIDC, identifier: string): ResourceServer {
      refuseSeveralResources(ctx);
      const resource = findResource(resources, identifier);
      if (!resource)
        throw new errors.InvalidTarget(
          `unknown resource; this server knows ${resources.map(({ url }) => url).join(', ')}`,
        );
      return {
        scope: grantableScopes(ctx, { resource, roles }).join(' '),
        audience: resource.url,
        accessTokenFormat: 'jwt',
        accessTokenTTL: accessTokenTtlSeconds,
        jwt: { sign: { alg: 'ES256' } },
      };
    },
  };
}

/** A consent page for several resources at once would ask more than a person can weigh; MCP clients ask for one. */
function refuseSeveralResources(ctx: KoaContextWithOIDC): void {
  const asked: unknown = ctx.oidc.params?.resource;
  if (Array.isArray(asked) && new Set(asked).size > 1) throw new errors.InvalidTarget('ask for one resource at a time');
}

/** At the token endpoint the user is known: a role that was taken away narrows the next token. */
function grantableScopes(
  ctx: KoaContextWithOIDC,
  { resource, roles }: { resource: Resource; roles: RolePermissions },
): string[] {
  const scopes = Object.keys(resource.scopes);
  const held = ctx.oidc.account && rolesOf(ctx.oidc.account);
  return held ? permittedScopes(scopes, { roles: held, permissions: roles }) : scopes;
}

/**
 * Rewrites the `resource` parameter of a token request to the canonical string before anything is consumed.
 * The engine compares strings, and only after the code is gone: a stray slash would cost the user the sign-in.
 * @throws {errors.InvalidTarget} when the resource is unknown.
 */
export function canonicaliseTokenResource(ctx: KoaContextWithOIDC, resources: readonly Resource[]): void {
  const asked: unknown = ctx.oidc.params?.resource;
  if (typeof asked !== 'string' || !ctx.oidc.params) return;
  const resource = findResource(resources, asked);
  if (!resource) throw new errors.InvalidTarget('unknown resource');
  ctx.oidc.params.resource = resource.url;
}
