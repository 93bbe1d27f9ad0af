import type { UserStore } from '@portcullis/persistence';
import type { Account, KoaContextWithOIDC } from 'oidc-provider';

/** A user as the engine sees one, with the roles that limit what can be granted. */
export type UserAccount = Account & { roles: readonly string[]; email: string };

/** Finds the user behind a `sub`; a disabled one is nobody, at sign-in and at every refresh. */
export function findAccount(users: UserStore) {
  return async (_ctx: KoaContextWithOIDC, sub: string): Promise<UserAccount | undefined> => {
    const user = await users.findById(sub);
    if (!user || user.disabledAt) return undefined;
    return { accountId: user.id, roles: user.roles, email: user.email, claims: () => ({ sub: user.id }) };
  };
}

/** The roles of an account that {@link findAccount} found; none for any other. */
export function rolesOf(account: Account): readonly string[] {
  return 'roles' in account && Array.isArray(account.roles) ? account.roles : [];
}
