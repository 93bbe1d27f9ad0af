import type { Database } from './database.ts';
import {
  type AuthorizationCode,
  type Client,
  type Grant,
  Prisma,
  type RefreshToken,
} from './generated/postgresql/client.ts';
import { type JoinedRow, partOf, USER, userOfJoined } from './joined-rows.ts';
import type { InteractionRows, SessionRows } from './session-rows.ts';
import { forEach, reading } from './statements/statement.ts';
import { together } from './statements/together.ts';
import { hashToken } from './token-hash.ts';
import type { User } from './user-store.ts';

/** What was presented at the token endpoint, and what it stands on: all of it as it was at one moment, without what is gone. */
export type PresentedRows = {
  refreshToken: RefreshToken | undefined;
  code: AuthorizationCode | undefined;
  grant: Grant | undefined;
  client: Client | undefined;
  user: User | undefined;
};

/** Where an adapter looks before it asks the database. Each row is given once: whoever asks again wants a newer one. */
export type RowsAhead = {
  refreshToken(id: string): RefreshToken | undefined;
  code(id: string): AuthorizationCode | undefined;
  grant(id: string): Grant | undefined;
  /** The session with this uid, as it was read with an interaction. */
  session(uid: string): SessionRows | undefined;
  /** Whether a session that is read together with an interaction would be asked for. */
  wantsSession(): boolean;
  /** Keeps what was read together with something else, for whoever asks next. */
  keep(rows: Pick<InteractionRows, 'client' | 'session'>): void;
};

/** Reads at once what the steps of a token request ask for one after another; undefined when there is no such token or code. */
export type ReadPresented = Record<'refreshToken' | 'code', (value: string) => Promise<PresentedRows | undefined>>;

const TABLES = {
  RefreshToken: partOf<RefreshToken>('RefreshToken', Object.values(Prisma.RefreshTokenScalarFieldEnum)),
  AuthorizationCode: partOf<AuthorizationCode>(
    'AuthorizationCode',
    Object.values(Prisma.AuthorizationCodeScalarFieldEnum),
  ),
  Grant: partOf<Grant>('Grant', Object.values(Prisma.GrantScalarFieldEnum)),
  Client: partOf<Client>('Client', Object.values(Prisma.ClientScalarFieldEnum)),
  User: USER,
};

/** On PostgreSQL those that are presented at the same time share the trip. */
export function createPresentedRows(database: Database): ReadPresented {
  return {
    refreshToken: reader(database, presented('refresh', 'RefreshToken')),
    code: reader(database, presented('code', 'AuthorizationCode')),
  };
}

function reader(
  { kind, statements }: Database,
  { one, several, key }: ReturnType<typeof presented>,
): ReadPresented['code'] {
  const alone = async (id: string) => rowsOf(await statements.run<JoinedRow>(one, id));
  const all = async (ids: readonly string[]) => {
    const [id] = ids;
    if (ids.length === 1 && id !== undefined) return [await alone(id)];
    const rows = await statements.run<JoinedRow>(several, JSON.stringify(ids));
    return ids.map((each) => rowsOf(rows.filter((row) => row[key] === each)));
  };
  const read = kind === 'sqlite' ? alone : together({ all, alone });
  return (value) => read(hashToken(value));
}

/** Both give a row for each role of a user. */
function presented(name: string, table: 'RefreshToken' | 'AuthorizationCode') {
  const tables = [table, 'Grant', 'Client', 'User'] as const;
  const find = (id: string) =>
    `SELECT ${tables.map((each) => TABLES[each].columns).join(', ')}, "UserRole"."role" AS "role" FROM "${table}"
       LEFT JOIN "Grant" ON "Grant"."id" = "${table}"."grantId"
       LEFT JOIN "Client" ON "Client"."id" = "${table}"."clientId"
       LEFT JOIN "User" ON "User"."id" = "${table}"."userId"
       LEFT JOIN "UserRole" ON "UserRole"."userId" = "User"."id"
       WHERE "${table}"."id" = ${id} ORDER BY "UserRole"."role"`;
  return {
    /** `$1`: the hash of what was presented. */
    one: reading(`${name}.find`, find('$1')),
    /** PostgreSQL only. `$1`: a list of them in JSON. */
    several: reading(
      `${name}.findMany`,
      forEach('json_array_elements_text($1::json) AS "asked" ("id")', find('"asked"."id"')),
    ),
    key: `${table}.id`,
  };
}

function rowsOf(rows: readonly JoinedRow[]): PresentedRows | undefined {
  const [first] = rows;
  if (!first) return undefined;
  return {
    refreshToken: TABLES.RefreshToken.of(first),
    code: TABLES.AuthorizationCode.of(first),
    grant: TABLES.Grant.of(first),
    client: TABLES.Client.of(first),
    user: userOfJoined(rows),
  };
}
