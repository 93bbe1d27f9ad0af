import type { Middleware } from 'koa';
import type { ResourceCatalogue } from '../resource-catalogue.ts';
import { findResource, type Resource, scopesOfResource } from '../resources.ts';
import type { Site } from '../site.ts';

/** Parameters that only OpenID Connect defines. Unknown parameters are ignored (RFC 6749 §3.1), not errors. */
const OPENID_PARAMETERS = [
  'nonce',
  'max_age',
  'acr_values',
  'claims',
  'claims_locales',
  'id_token_hint',
  'display',
  'ui_locales',
];

/** What an authorization remembers about itself is not for the client to say. */
const OWN_PARAMETERS = ['client_document'];

const PROMPTS = new Set(['login', 'consent', 'none']);

/**
 * Rewrites an authorization request into what the engine can answer: the canonical resource, and scopes that
 * exist. Clients spell resources differently, and ask for scopes of other servers; each would otherwise end in a bare
 * `access_denied` or `invalid_target`. What stands in for no scope depends on the client, and is not decided here. What
 * is malformed or repeated is left for the engine to refuse.
 */
export function shapeAuthorizationQuery(
  query: URLSearchParams,
  resources: readonly [Resource, ...Resource[]],
): URLSearchParams {
  const shaped = new URLSearchParams(query);
  for (const name of [...OPENID_PARAMETERS, ...OWN_PARAMETERS]) shaped.delete(name);
  shapePrompt(shaped);
  const asked = [
    ...new Set(
      query
        .getAll('resource')
        .filter(Boolean)
        .map((identifier) => findResource(resources, identifier)?.url ?? identifier),
    ),
  ];
  shaped.delete('resource');
  for (const identifier of asked.length > 0 ? asked : [resources[0].url]) shaped.append('resource', identifier);
  const resource = resources.find(({ url }) => url === (asked[0] ?? resources[0].url));
  if (resource && query.getAll('scope').length <= 1) {
    const scopes = scopesOfResource(resource, query.get('scope') ?? undefined);
    if (scopes.length > 0) shaped.set('scope', scopes.join(' '));
    else shaped.delete('scope');
  }
  return shaped;
}

function shapePrompt(query: URLSearchParams): void {
  const asked = query.getAll('prompt');
  if (asked.length !== 1) return;
  const known = (asked[0] ?? '').split(' ').filter((word) => PROMPTS.has(word));
  if (known.length > 0) query.set('prompt', known.join(' '));
  else query.delete('prompt');
}

const WELL_KNOWN = ['/.well-known/oauth-authorization-server', '/.well-known/openid-configuration'];

/** The path as the engine knows it, for an issuer with or without a path of its own; `undefined` where it has none (AS-4). */
export function enginePath(path: string, basePath: string): string | undefined {
  if (basePath === '') return path;
  const wellKnown = WELL_KNOWN.find((prefix) => path === `${prefix}${basePath}`);
  if (wellKnown) return wellKnown;
  if (path === basePath) return '/';
  return path.startsWith(`${basePath}/`) ? path.slice(basePath.length) : undefined;
}

/** Whether the engine will take a request for one to its authorization endpoint: in any case, and with a slash behind it. */
export function isAuthorizationRequest(method: string, path: string): boolean {
  return (method === 'GET' || method === 'HEAD') && /^\/authorize\/?$/i.test(path);
}

/** Strips the issuer's path from a request, so that routes are written once, and shapes authorization requests. */
export function shapeRequest(site: Site, catalogue: ResourceCatalogue): Middleware {
  return async (ctx, next) => {
    const path = enginePath(ctx.path, site.basePath);
    if (path === undefined) return;
    const query = isAuthorizationRequest(ctx.method, path)
      ? await shaped(new URLSearchParams(ctx.querystring), catalogue)
      : ctx.querystring;
    ctx.req.url = query ? `${path}?${query}` : path;
    // The engine finds the path under which it is mounted by comparing these two.
    Object.assign(ctx.req, { originalUrl: `${site.basePath}${ctx.req.url}` });
    await next();
  };
}

async function shaped(query: URLSearchParams, catalogue: ResourceCatalogue): Promise<string> {
  const asked = await catalogue.findAll(query.getAll('resource'));
  return shapeAuthorizationQuery(query, [catalogue.standard, ...asked]).toString();
}
