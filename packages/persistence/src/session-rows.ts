import type { Database } from './database.ts';
import { type Client, type EngineRecord, Prisma, type SignIn } from './generated/postgresql/client.ts';
import { type JoinedRow, partOf, USER, userOfJoined } from './joined-rows.ts';
import { reading, type Statement } from './statements/statement.ts';
import type { User } from './user-store.ts';

/** What is read of a record of the engine. */
export type StoredRecord = Pick<EngineRecord, (typeof RECORD)[number]>;

/** What a sign-in that is of its user's present epoch says of itself. */
export type PresentSignIn = Pick<SignIn, 'id' | 'lastSeenAt' | 'expiresAt' | 'endedAt'>;

/** A session of the engine and what it stands on, as all of it was at one moment; without what is gone. */
export type SessionRows = {
  record: StoredRecord;
  uid: string | null;
  /** Of this user, and of the user's present epoch; none where the user is disabled. */
  signIn: PresentSignIn | undefined;
  user: User | undefined;
};

/** An authorization on its way, and what its steps ask for: as it was at the same moment. */
export type InteractionRows = { record: StoredRecord; client: Client | undefined; session: SessionRows | undefined };

const RECORD = ['id', 'payload', 'consumedAt', 'expiresAt'] as const satisfies (keyof EngineRecord)[];
const SIGN_IN = ['id', 'lastSeenAt', 'expiresAt', 'endedAt'] as const satisfies (keyof SignIn)[];

const SESSION = {
  record: partOf<StoredRecord>('Session', RECORD),
  signIn: partOf<PresentSignIn>('SignIn', SIGN_IN),
  user: USER,
};
const INTERACTION_PART = partOf<StoredRecord>('Interaction', RECORD);
const CLIENT = partOf<Client>('Client', Object.values(Prisma.ClientScalarFieldEnum));

const SESSION_COLUMNS = [
  ...Object.values(SESSION).map(({ columns }) => columns),
  '"Session"."uid" AS "Session.uid"',
  '"UserRole"."role" AS "role"',
];

/** No index is read by `IS NOT DISTINCT FROM`: a sign-in is looked up by its own key, not among all of its user. */
const STANDS_ON = `
   LEFT JOIN "User" ON "User"."id" = "Session"."userId"
   LEFT JOIN "SignIn" ON "SignIn"."id" = "Session"."uid" AND "SignIn"."userId" IS NOT DISTINCT FROM "User"."id"
     AND "SignIn"."accessEpoch" = "User"."accessEpoch" AND "User"."disabledAt" IS NULL
   LEFT JOIN "UserRole" ON "UserRole"."userId" = "User"."id"`;

/** Of several that two tabs saved at once, the one that lives longest. */
const idOfSession = (uid: string) => `(SELECT "named"."id" FROM "EngineRecord" AS "named"
     WHERE "named"."model" = 'Session' AND "named"."uid" = ${uid} ORDER BY "named"."expiresAt" DESC LIMIT 1)`;

/** One row for each role of the user. `$1`: what `id` is compared with. */
const sessionWhere = (name: string, id: string): Statement =>
  reading(
    name,
    `SELECT ${SESSION_COLUMNS.join(', ')} FROM "EngineRecord" AS "Session"${STANDS_ON}
   WHERE "Session"."model" = 'Session' AND "Session"."id" = ${id} ORDER BY "UserRole"."role"`,
  );

const SESSION_BY_ID = sessionWhere('session.find', '$1');
const SESSION_BY_UID = sessionWhere('session.findByUid', idOfSession('$1'));

/** `$1`: the hash of the interaction's id. */
const interaction = (name: string, columns: readonly string[], joins: string): Statement =>
  reading(
    name,
    `SELECT ${[INTERACTION_PART.columns, CLIENT.columns, ...columns].join(', ')}
   FROM "EngineRecord" AS "Interaction" LEFT JOIN "Client" ON "Client"."id" = "Interaction"."clientId"${joins}
   WHERE "Interaction"."model" = 'Interaction' AND "Interaction"."id" = $1`,
  );

const INTERACTION = interaction('interaction.find', [], '');
const INTERACTION_WITH_SESSION = interaction(
  'interaction.findWithSession',
  SESSION_COLUMNS,
  `
   LEFT JOIN "EngineRecord" AS "Session"
     ON "Session"."model" = 'Session' AND "Session"."id" = ${idOfSession('"Interaction"."uid"')}${STANDS_ON}`,
);

/** Reads a session by the hash of its id, or by its uid, with the sign-in behind it and its user. */
export async function readSessionRows(
  { statements }: Database,
  by: { id: string } | { uid: string },
): Promise<SessionRows | undefined> {
  const rows =
    'id' in by
      ? await statements.run<JoinedRow>(SESSION_BY_ID, by.id)
      : await statements.run<JoinedRow>(SESSION_BY_UID, by.uid);
  return sessionOf(rows);
}

/** Reads an interaction by the hash of its id, with its client; and with its session where that was not read before. */
export async function readInteractionRows(
  { statements }: Database,
  { id, withSession }: { id: string; withSession: boolean },
): Promise<InteractionRows | undefined> {
  const rows = await statements.run<JoinedRow>(withSession ? INTERACTION_WITH_SESSION : INTERACTION, id);
  const record = INTERACTION_PART.of(rows[0]);
  if (!record) return undefined;
  return {
    record,
    client: CLIENT.of(rows[0]),
    session: withSession ? sessionOf(rows) : undefined,
  };
}

function sessionOf(rows: readonly JoinedRow[]): SessionRows | undefined {
  const [first] = rows;
  const record = SESSION.record.of(first);
  if (!first || !record) return undefined;
  const { 'Session.uid': uid } = first;
  return {
    record,
    uid: typeof uid === 'string' ? uid : null,
    signIn: SESSION.signIn.of(first),
    user: userOfJoined(rows),
  };
}
