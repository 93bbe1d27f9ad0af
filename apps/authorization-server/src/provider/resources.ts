import type { Clock } from '@portcullis/platform';
import { type Client, errors, type KoaContextWithOIDC, type ResourceServer } from 'oidc-provider';
import type { SigningAlgorithm } from '../keys/key-policy.ts';
import type { ResourceCatalogue } from '../resource-catalogue.ts';
import { type Resource, standInScopes } from '../resources.ts';
import { permissionsAt, permittedScopes, type RolePermissions } from '../roles.ts';
import { rolesOf } from './accounts.ts';
import { type ClientPermissions, mayNameResource, type PermissionsOf } from './client-permissions.ts';
import { refuseEarlyProof, refuseUnbound } from './proof-of-possession.ts';

/** What the engine is told about resources. */
export type ResourceOptions = {
  catalogue: ResourceCatalogue;
  roles: RolePermissions;
  accessTokenTtlSeconds: number;
  permissionsOf: PermissionsOf;
  clock: Clock;
  /** The key that signs at this moment. */
  signing(): { alg: SigningAlgorithm; kid: string };
};

/** The engine's `resourceIndicators` feature: known resources only, canonical audience, RFC 9068 tokens (RFC 8707). */
export function resourceIndicators({
  catalogue,
  roles,
  accessTokenTtlSeconds,
  permissionsOf,
  signing,
  clock,
}: ResourceOptions) {
  return {
    enabled: true,
    defaultResource(ctx: KoaContextWithOIDC, _client: unknown, oneOf?: readonly string[]) {
      // A machine acts on its own word alone; it has to say where.
      if (ctx.oidc.params?.grant_type === 'client_credentials')
        throw new errors.InvalidTarget('name the resource that the token is for');
      return oneOf?.[0] ?? catalogue.standard.url;
    },
    useGrantedResource: () => true,
    async getResourceServerInfo(
      ctx: KoaContextWithOIDC,
      identifier: string,
      { clientId }: Client,
    ): Promise<ResourceServer> {
      refuseSeveralResources(ctx);
      const resource = await catalogue.find(identifier);
      if (!resource) throw await unknownResource(catalogue);
      const permissions = await permissionsOf(clientId);
      if (!mayNameResource({ clientId, permissions }, resource)) {
        // A reserved resource is not even confirmed to a stranger.
        throw resource.reserved
          ? await unknownResource(catalogue)
          : new errors.InvalidTarget('this client was not registered for that resource');
      }
      if (ctx.oidc.route === 'token') {
        refuseEarlyProof(ctx, clock());
        refuseUnbound(ctx, resource);
      }
      refuseForeignScopes(ctx, permissions);
      nameScopes(ctx, { resource, permissions });
      return {
        scope: grantableScopes(ctx, { resource, roles, permissions }).join(' '),
        audience: resource.url,
        accessTokenFormat: 'jwt',
        accessTokenTTL: accessTokenTtlSeconds,
        jwt: { sign: signing() },
      };
    },
  };
}

/** A consent page for several resources at once would ask more than a person can weigh; MCP clients ask for one. */
function refuseSeveralResources(ctx: KoaContextWithOIDC): void {
  const asked: unknown = ctx.oidc.params?.resource;
  if (Array.isArray(asked) && new Set(asked).size > 1) throw new errors.InvalidTarget('ask for one resource at a time');
}

const MOST_NAMED = 5;

async function unknownResource(catalogue: ResourceCatalogue): Promise<Error> {
  const known = (await catalogue.list()).filter(({ reserved }) => !reserved).map(({ url }) => url);
  const named = [...known.slice(0, MOST_NAMED), ...(known.length > MOST_NAMED ? ['others'] : [])];
  return new errors.InvalidTarget(`unknown resource; this server knows ${named.join(', ')}`);
}

/** Says which scope is too much, instead of a consent page without it. */
function refuseForeignScopes(ctx: KoaContextWithOIDC, permissions: ClientPermissions | undefined): void {
  const asked: unknown = ctx.oidc.params?.scope;
  if (typeof asked !== 'string' || !permissions?.scopes) return;
  const foreign = asked.split(' ').filter((scope) => scope && !permissions.scopes?.includes(scope));
  if (foreign.length > 0) {
    throw new errors.InvalidScope('this client was not registered for this scope', foreign.join(' '));
  }
}

/**
 * Names the scopes of a request that names none. A machine gets what it was registered for: there is nobody who could be
 * asked (RFC 6749 §3.3).
 */
function nameScopes(
  { oidc: { params, route } }: KoaContextWithOIDC,
  { resource, permissions }: { resource: Resource; permissions: ClientPermissions | undefined },
): void {
  if (params?.grant_type === 'client_credentials')
    params.scope ??= (permissions?.scopes ?? resource.defaultScopes).join(' ');
  else if (params && route === 'authorization')
    params.scope ??= standInScopes(resource, permissions?.scopes).join(' ') || undefined;
}

/** At the token endpoint the user is known: a role that was taken away narrows the next token. */
function grantableScopes(
  ctx: KoaContextWithOIDC,
  {
    resource,
    roles,
    permissions,
  }: { resource: Resource; roles: RolePermissions; permissions: ClientPermissions | undefined },
): string[] {
  const scopes = Object.keys(resource.scopes).filter((scope) => permissions?.scopes?.includes(scope) ?? true);
  const held = ctx.oidc.account && rolesOf(ctx.oidc.account);
  return held ? permittedScopes(scopes, { roles: held, permissions: permissionsAt(resource, roles) }) : scopes;
}

/**
 * Rewrites the `resource` parameter of a token request to the canonical string before anything is consumed.
 * The engine compares strings, and only after the code is gone: a stray slash would cost the user the sign-in.
 * @throws {errors.InvalidTarget} when the resource is unknown.
 */
export async function canonicaliseTokenResource(ctx: KoaContextWithOIDC, catalogue: ResourceCatalogue): Promise<void> {
  const asked: unknown = ctx.oidc.params?.resource;
  if (typeof asked !== 'string' || !ctx.oidc.params) return;
  const resource = await catalogue.find(asked);
  if (!resource) throw new errors.InvalidTarget('unknown resource');
  ctx.oidc.params.resource = resource.url;
}
