import {
  createLinkedIdentityStore,
  createOneTimeLinkStore,
  createUserStore,
  type Database,
  endAccess,
  type UpdateUserResult,
  type User,
  type UserStore,
} from '@portcullis/persistence';
import type { AdminAnswer, AuditEventType } from '@portcullis/platform';
import { hashPassword, passwordProblem } from '../passwords.ts';
import type { RolePermissions } from '../roles.ts';
import { issueLink } from '../setup/one-time-link.ts';
import type { Site } from '../site.ts';
import { type AdminCall, type AdminHandlers, refuse } from './handler.ts';
import { FOREIGN_CURSOR, pageOf, placeOf, placeText } from './page-cursor.ts';
import type { AdminRefusal } from './problem.ts';
import { type ChangeOutcome, recordedChange } from './recorded-change.ts';

/** What administering users needs. */
export type UserAdministration = { database: Database; site: Site; roles: RolePermissions };

type UserOperation = 'listUsers' | 'addUser' | 'updateUser' | 'resetPassword' | 'disableUser' | 'enableUser';

/** The operations on users. A user is named by id or by e-mail address. */
export function userHandlers(deps: UserAdministration): AdminHandlers<UserOperation> {
  const { database } = deps;
  return {
    async listUsers({ query: { cursor, limit } }) {
      const after = cursor === undefined ? undefined : placeOf(cursor, placeText);
      if (cursor !== undefined && after === undefined) return refuse(FOREIGN_CURSOR);
      const users = await createUserStore(database).list({ after, limit: limit + 1 });
      const item = await showing(users, database);
      return { ok: true, answer: pageOf(users, { limit, place: ({ email }) => email, item }) };
    },
    async addUser(call) {
      const { email, roles, password } = call.body;
      const unusable = rolesProblem(roles, deps.roles) ?? (password === undefined ? undefined : weakness(password));
      if (unusable) return refuse(unusable);
      const passwordHash = password === undefined ? undefined : await hashPassword(password);
      return recordedChange(database, call, async (within) => {
        const users = createUserStore(within);
        const result = await users.create({ email, roles: [...new Set(roles)], now: call.now });
        if (!result.ok) return refuse(EMAIL_TAKEN);
        const { user } = result;
        if (passwordHash !== undefined) await users.setPassword({ userId: user.id, passwordHash, now: call.now });
        const passwordLink = passwordHash === undefined ? await linkFor(user, { within, deps, call }) : undefined;
        return {
          ok: true,
          event: { type: 'user.created', detail: { user: user.id, roles: user.roles } },
          answer: {
            user: await shownUser({ ...user, passwordHash: passwordHash ?? null }, within),
            ...(passwordLink !== undefined && { passwordLink }),
          },
        };
      });
    },
    async updateUser(call) {
      const { email, roles } = call.body;
      const unusable = roles && rolesProblem(roles, deps.roles);
      if (unusable) return refuse(unusable);
      return changeUser(call, { database, type: 'user.updated' }, async (users, user) => {
        const result = await users.update({
          userId: user.id,
          now: call.now,
          ...(email !== undefined && { email }),
          ...(roles && { roles: [...new Set(roles)] }),
        });
        return changedUser(result);
      });
    },
    resetPassword: (call) =>
      recordedChange(database, call, async (within) => {
        const user = await findUser(createUserStore(within), call.params.user);
        if (!user) return refuse(UNKNOWN_USER);
        return {
          ok: true,
          event: { type: 'user.password_reset', detail: { user: user.id } },
          answer: { user: await shownUser(user, within), passwordLink: await linkFor(user, { within, deps, call }) },
        };
      }),
    disableUser: (call) =>
      changeUser(call, { database, type: 'user.disabled' }, async (users, user, within) => {
        await users.setDisabled({ userId: user.id, disabled: true, now: call.now });
        await endAccess(within, { userId: user.id, now: call.now });
        return { ok: true, user: { ...user, disabledAt: call.now } };
      }),
    enableUser: (call) =>
      changeUser(call, { database, type: 'user.enabled' }, async (users, user) => {
        await users.setDisabled({ userId: user.id, disabled: false, now: call.now });
        return { ok: true, user: { ...user, disabledAt: null } };
      }),
  };
}

/** Nobody has that id or address. */
export const UNKNOWN_USER: AdminRefusal = { reason: 'not_found', what: 'such user' };
const EMAIL_TAKEN: AdminRefusal = { reason: 'conflict', detail: 'Another user has this e-mail address.' };
/** Nobody would be left who can administer. */
export const LAST_ADMINISTRATOR: AdminRefusal = {
  reason: 'conflict',
  detail: 'This is the last administrator who can sign in. Give somebody else the role admin first.',
};

type Changed = { ok: true; user: User } | { ok: false; refusal: AdminRefusal };

/** Changes one user, unless nobody who can administer would be left. */
function changeUser(
  call: AdminCall,
  { database, type }: { database: Database; type: AuditEventType },
  change: (users: UserStore, user: User, within: Database) => Promise<Changed>,
) {
  return recordedChange(database, call, async (within): Promise<ChangeOutcome<{ user: ShownUser }>> => {
    const users = createUserStore(within);
    const before = await findUser(users, call.params.user);
    if (!before) return refuse(UNKNOWN_USER);
    const result = await change(users, before, within);
    if (!result.ok) return result;
    if (isActiveAdministrator(before) && (await users.countActive('admin')) === 0) return refuse(LAST_ADMINISTRATOR);
    const { id, roles } = result.user;
    const answer = { user: await shownUser(result.user, within) };
    return { ok: true, answer, event: { type, detail: { user: id, roles } } };
  });
}

function isActiveAdministrator({ roles, disabledAt }: User): boolean {
  return disabledAt === null && roles.includes('admin');
}

function changedUser(result: UpdateUserResult): Changed {
  if (result.ok) return result;
  return refuse(result.refusal.reason === 'email_taken' ? EMAIL_TAKEN : UNKNOWN_USER);
}

/** Finds a user by id or by e-mail address. */
export function findUser(users: UserStore, named: string | undefined): Promise<User | undefined> {
  const name = named ?? '';
  return name.includes('@') ? users.findByEmail(name) : users.findById(name);
}

function linkFor(
  { id }: User,
  { within, deps, call }: { within: Database; deps: UserAdministration; call: AdminCall },
): Promise<string> {
  return issueLink('password', {
    site: deps.site,
    links: createOneTimeLinkStore(within),
    clock: () => call.now,
    userId: id,
  });
}

function rolesProblem(roles: readonly string[], known: RolePermissions): AdminRefusal | undefined {
  const unknown = roles.filter((role) => !Object.hasOwn(known, role));
  if (unknown.length === 0) return undefined;
  const problem = `${unknown.join(', ')} is no role here; there are ${Object.keys(known).join(', ')}`;
  return { reason: 'invalid_request', errors: [{ field: 'roles', problem }] };
}

function weakness(password: string): AdminRefusal | undefined {
  const problem = passwordProblem(password);
  return problem === undefined ? undefined : { reason: 'invalid_request', errors: [{ field: 'password', problem }] };
}

type ShownUser = AdminAnswer<'disableUser'>['user'];

/** A user as the admin API shows one. */
export async function shownUser(user: User, database: Database): Promise<ShownUser> {
  return (await showing([user], database))(user);
}

/** Shows any of some users. */
async function showing(users: readonly User[], database: Database): Promise<(user: User) => ShownUser> {
  const linked = await createLinkedIdentityStore(database).linkedAmong(users.map(({ id }) => id));
  return ({ id, email, roles, passwordHash, disabledAt }) => ({
    ...{ id, email, roles },
    hasPassword: passwordHash !== null,
    signsInElsewhere: linked.has(id),
    disabledAt: disabledAt?.toISOString() ?? null,
  });
}
