import type Router from '@koa/router';
import {
  type AuditLog,
  createGrantStore,
  createSigningKeyStore,
  createUserStore,
  type Database,
  type Envelope,
} from '@portcullis/persistence';
import type { Clock, Logger } from '@portcullis/platform';
import type { Middleware } from 'koa';
import type { IdentityProviders } from '../enterprise/identity-provider.ts';
import type { SigningKeyPolicy } from '../keys/key-policy.ts';
import type { KeyRing } from '../keys/key-ring.ts';
import type { PermissionsOf } from '../provider/client-permissions.ts';
import type { ClientCertificates } from '../provider/mutual-tls.ts';
import type { PersonRefusals } from '../provider/token-refusals.ts';
import type { FixedResources } from '../resource-catalogue.ts';
import type { RolePermissions } from '../roles.ts';
import type { Site } from '../site.ts';
import type { SignInProviders } from '../upstream/sign-in-flow.ts';
import type { Upstream } from '../upstream/upstream.ts';
import { createAdminGuard } from './admin-guard.ts';
import { type AuditTrail, auditHandlers } from './audit.ts';
import { clientHandlers } from './clients.ts';
import { grantHandlers } from './grants.ts';
import { identityHandlers } from './identities.ts';
import { keyHandlers } from './keys.ts';
import { personalAccessTokenHandlers } from './personal-access-tokens.ts';
import { registrationTokenHandlers } from './registration-tokens.ts';
import { resourceHandlers } from './resources.ts';
import { adminMetadata, adminRouter } from './router.ts';
import { statusHandler } from './status.ts';
import { sharedProofs } from './used-proofs.ts';
import { userHandlers } from './users.ts';

/** What the admin API is built from. */
export type AdminApiOptions = {
  site: Site;
  database: Database;
  fixedResources: FixedResources;
  roles: RolePermissions;
  signInProviders: SignInProviders;
  identityProviders: IdentityProviders;
  upstreams: readonly Upstream[];
  clientCertificates: ClientCertificates | undefined;
  keyRing: KeyRing;
  envelope: Envelope;
  signingKeys: SigningKeyPolicy;
  permissionsOf: PermissionsOf;
  refusals: PersonRefusals;
  audit: AuditLog;
  auditTrail: AuditTrail;
  clock: Clock;
  log: Logger;
};

/** The admin API: `metadata` belongs before the issuer's path is taken off a request, the routes of `router` after. */
export function adminApi(options: AdminApiOptions): { metadata: Middleware; router: Router } {
  const { database } = options;
  const guard = createAdminGuard({ ...options, replays: sharedProofs(database) });
  const router = adminRouter({
    ...options,
    guard,
    users: createUserStore(database),
    grants: createGrantStore(database),
    handlers: {
      ...statusHandler(options.site),
      ...userHandlers(options),
      ...identityHandlers(options),
      ...clientHandlers(options),
      ...resourceHandlers(options),
      ...grantHandlers(database),
      ...auditHandlers(options.auditTrail, createSigningKeyStore(database, options.envelope)),
      ...personalAccessTokenHandlers(options),
      ...registrationTokenHandlers(database),
      ...keyHandlers({ ...options, policy: options.signingKeys }),
    },
  });
  return { metadata: adminMetadata(guard), router };
}
