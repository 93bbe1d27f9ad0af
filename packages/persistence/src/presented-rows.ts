import type { Database } from './database.ts';
import {
  type AuthorizationCode,
  type Client,
  type Grant,
  Prisma,
  type RefreshToken,
} from './generated/postgresql/client.ts';
import type { InteractionRows, SessionRows } from './session-rows.ts';
import { reading, type Statement } from './statements/statement.ts';
import { hashToken } from './token-hash.ts';
import { type User, userOf } from './user-store.ts';

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

const TABLES = {
  RefreshToken: Prisma.RefreshTokenScalarFieldEnum,
  AuthorizationCode: Prisma.AuthorizationCodeScalarFieldEnum,
  Grant: Prisma.GrantScalarFieldEnum,
  Client: Prisma.ClientScalarFieldEnum,
  User: Prisma.UserScalarFieldEnum,
};
type Table = keyof typeof TABLES;

const REFRESH = presented('refresh.find', 'RefreshToken');
const CODE = presented('code.find', 'AuthorizationCode');

/** Reads at once what the steps of a refresh ask for one after another; undefined when there is no such token. */
export async function readRefreshRows({ statements }: Database, value: string): Promise<PresentedRows | undefined> {
  return rowsOf(await statements.run<JoinedRow>(REFRESH, hashToken(value)));
}

/** The same for the redemption of a code. */
export async function readCodeRows({ statements }: Database, value: string): Promise<PresentedRows | undefined> {
  return rowsOf(await statements.run<JoinedRow>(CODE, hashToken(value)));
}

/** `$1`: the hash of what was presented. One row for each role of its user. */
function presented(name: string, table: 'RefreshToken' | 'AuthorizationCode'): Statement {
  const columns = ([table, 'Grant', 'Client', 'User'] as const).flatMap((each) =>
    Object.keys(TABLES[each]).map((column) => `"${each}"."${column}" AS "${each}.${column}"`),
  );
  return reading(
    name,
    `SELECT ${columns.join(', ')}, "UserRole"."role" AS "role" FROM "${table}"
     LEFT JOIN "Grant" ON "Grant"."id" = "${table}"."grantId"
     LEFT JOIN "Client" ON "Client"."id" = "${table}"."clientId"
     LEFT JOIN "User" ON "User"."id" = "${table}"."userId"
     LEFT JOIN "UserRole" ON "UserRole"."userId" = "User"."id"
     WHERE "${table}"."id" = $1 ORDER BY "UserRole"."role"`,
  );
}

type JoinedRow = Record<string, unknown>;

function rowsOf(rows: readonly JoinedRow[]): PresentedRows | undefined {
  const [first] = rows;
  if (!first) return undefined;
  const user = part<Omit<User, 'roles'>>(first, 'User');
  return {
    refreshToken: part<RefreshToken>(first, 'RefreshToken'),
    code: part<AuthorizationCode>(first, 'AuthorizationCode'),
    grant: part<Grant>(first, 'Grant'),
    client: part<Client>(first, 'Client'),
    user: user && userOf(rows.map(({ role }) => ({ ...user, role: typeof role === 'string' ? role : null }))),
  };
}

function part<Row extends { id: string }>(row: JoinedRow, table: Table): Row | undefined {
  if (typeof row[`${table}.id`] !== 'string') return undefined;
  return Object.fromEntries(
    Object.keys(TABLES[table]).map((name) => [name, row[`${table}.${name}`]]),
  ) as unknown as Row;
}
