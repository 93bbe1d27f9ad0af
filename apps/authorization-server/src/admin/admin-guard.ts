import { createGuard, type Guard } from '@portcullis/guard';
import { ADMIN_SCOPES, adminResourceUrl, type Clock } from '@portcullis/platform';
import type { JWK } from 'jose';
import type { Site } from '../site.ts';

/** What the guard of the admin API needs. */
export type AdminGuardOptions = { site: Site; signingKeys: readonly JWK[]; clock: Clock };

/** The guard of our own admin API. It is the issuer's neighbour in one process and asks nobody for the keys. */
export function createAdminGuard({ site, signingKeys, clock }: AdminGuardOptions): Guard {
  return createGuard({
    issuer: site.issuer,
    resource: adminResourceUrl(site.issuer),
    resourceName: 'Portcullis administration',
    realm: 'portcullis-admin',
    scopes: { supported: Object.keys(ADMIN_SCOPES), baseline: [] },
    jwks: { url: `${site.issuer}/jwks` },
    fetch: async () => Response.json({ keys: signingKeys.map(publicPart) }),
    now: clock,
  });
}

function publicPart({ kty, crv, x, y, n, e, kid, alg, use }: JWK): JWK {
  return Object.fromEntries(Object.entries({ kty, crv, x, y, n, e, kid, alg, use }).filter(([, value]) => value));
}
