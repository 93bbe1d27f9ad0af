import type { SignInStore, UserStore } from '@portcullis/persistence';
import type { Account, FindAccount } from 'oidc-provider';
import { userAhead } from './request-reads.ts';

/** A user as the engine sees one, with the roles that limit what can be granted. */
export type UserAccount = Account & { roles: readonly string[]; email: string };

/** What finding a user needs. */
export type AccountDeps = { users: UserStore; signIns: SignInStore };

/**
 * Finds the user behind a `sub`; a disabled one is nobody, at sign-in and at every refresh. So is the user of a code
 * that was on its way while all which the sign-in had opened was ended: revoking can only reach what is there.
 */
export function findAccount({ users, signIns }: AccountDeps) {
  return async (
    ctx: Parameters<FindAccount>[0],
    sub: string,
    token?: Parameters<FindAccount>[2],
  ): Promise<UserAccount | undefined> => {
    const user = userAhead(ctx, sub) ?? (await users.findById(sub));
    if (!user || user.disabledAt) return undefined;
    if (token?.kind === 'AuthorizationCode') {
      const { sessionUid } = token;
      if (sessionUid === undefined || !(await signIns.isOfPresentEpoch({ id: sessionUid, userId: sub })))
        return undefined;
    }
    return { accountId: user.id, roles: user.roles, email: user.email, claims: () => ({ sub: user.id }) };
  };
}

/** The roles of an account that {@link findAccount} found; none for any other. */
export function rolesOf(account: Account): readonly string[] {
  return 'roles' in account && Array.isArray(account.roles) ? account.roles : [];
}
