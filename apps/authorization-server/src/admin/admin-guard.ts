import { createGuard, type Guard, type ReplayStore } from '@portcullis/guard';
import { ADMIN_SCOPES, adminResourceUrl, type Clock } from '@portcullis/platform';
import type { JWK } from 'jose';
import { type KeyRing, type KeySet, perKeySet } from '../keys/key-ring.ts';
import type { Site } from '../site.ts';

/** What the guard of the admin API needs. */
export type AdminGuardOptions = {
  site: Site;
  keyRing: KeyRing;
  /** Which proofs were used. */
  replays: ReplayStore;
  clock: Clock;
};

/** How challenges of the admin API name it. */
export const ADMIN_REALM = 'portcullis-admin';

/** The part of a guard that the admin API uses. */
export type AdminGuard = Pick<
  Guard,
  'resource' | 'resourceMetadataUrl' | 'metadata' | 'authenticate' | 'insufficientScope'
>;

/**
 * The guard of our own admin API. It is the issuer's neighbour in one process and asks nobody for the keys; it knows
 * none but those that are published at this moment.
 */
export function createAdminGuard({ site, keyRing, replays, clock }: AdminGuardOptions): AdminGuard {
  const guard = perKeySet(keyRing, (keySet) => guardWith(keySet, { site, replays, clock }));
  return { ...guard(), authenticate: (request) => guard().authenticate(request) };
}

function guardWith(
  { keys }: KeySet,
  { site, replays, clock }: Pick<AdminGuardOptions, 'site' | 'replays' | 'clock'>,
): Guard {
  return createGuard({
    issuer: site.issuer,
    resource: adminResourceUrl(site.issuer),
    resourceName: 'Portcullis administration',
    realm: ADMIN_REALM,
    scopes: { supported: Object.keys(ADMIN_SCOPES), baseline: [] },
    jwks: { url: `${site.issuer}/jwks` },
    fetch: async () => Response.json({ keys: keys.map(publicPart) }),
    dpop: { replays },
    now: clock,
  });
}

function publicPart({ kty, crv, x, y, n, e, kid, alg, use }: JWK): JWK {
  return Object.fromEntries(Object.entries({ kty, crv, x, y, n, e, kid, alg, use }).filter(([, value]) => value));
}
