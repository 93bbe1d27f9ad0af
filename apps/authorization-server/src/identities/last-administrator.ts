import type { User, UserStore } from '@portcullis/persistence';

/**
 * Whether nobody who can administer would be left if a user's roles became these. To be asked, and the roles changed,
 * within one transaction: of two administrators who lose the role at once, one is the last.
 */
export async function leavesNoAdministrator(
  users: Pick<UserStore, 'countActive'>,
  { roles: held, disabledAt }: Pick<User, 'roles' | 'disabledAt'>,
  roles: readonly string[],
): Promise<boolean> {
  const loses = disabledAt === null && held.includes('admin') && !roles.includes('admin');
  return loses && (await users.countActive('admin')) <= 1;
}
