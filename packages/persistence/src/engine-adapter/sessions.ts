import type { Adapter, AdapterPayload } from 'oidc-provider';
import { readSessionRows, type SessionRows } from '../session-rows.ts';
import { hashToken } from '../token-hash.ts';
import type { AdapterDependencies } from './adapter-dependencies.ts';
import { engineRecordsAdapter, openerOf } from './engine-records.ts';

/** What a session stood on when it was read. */
export type SessionStanding = Pick<SessionRows, 'signIn'> & { user: NonNullable<SessionRows['user']> };

const standings = new WeakMap<AdapterPayload, SessionStanding>();

/**
 * What was read together with a session that the adapter found: its sign-in, if that is of the user's present epoch, and its
 * user. Undefined where that has to be asked for.
 */
export function standingOfSession(session: AdapterPayload): SessionStanding | undefined {
  return standings.get(session);
}

/** Sessions, read together with what they stand on. */
export function sessionsAdapter(dependencies: AdapterDependencies): Adapter {
  const { database, rowsAhead } = dependencies;
  const openRecord = openerOf('Session', dependencies);
  const open = (rows: SessionRows | undefined): AdapterPayload | undefined => {
    const session = openRecord(rows?.record);
    if (rows && session) noteStanding(session, rows);
    return session;
  };
  return {
    ...engineRecordsAdapter('Session', dependencies),
    find: async (value) => open(await readSessionRows(database, { id: hashToken(value) })),
    findByUid: async (uid) => open(rowsAhead?.session(uid) ?? (await readSessionRows(database, { uid }))),
  };
}

/** What is sealed decides whose session it is; the columns that rows were joined by only have to agree. */
function noteStanding(session: AdapterPayload, { signIn, user }: SessionRows): void {
  if (!user || user.id !== session.accountId) return;
  standings.set(session, { user, signIn: signIn?.id === session.uid ? signIn : undefined });
}
