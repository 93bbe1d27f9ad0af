import type { Database } from './database.ts';
import { type Client, type Grant, Prisma, type RefreshToken } from './generated/postgresql/client.ts';
import { reading } from './statements/statement.ts';
import { hashToken } from './token-hash.ts';
import { type User, userOf } from './user-store.ts';

/** What a refresh stands on, all of it as it was at one moment; without what is gone. */
export type RefreshRows = {
  token: RefreshToken;
  grant: Grant | undefined;
  client: Client | undefined;
  user: User | undefined;
};

/** Where an adapter looks before it asks the database. Each row is given once: whoever asks again wants a newer one. */
export type RowsAhead = {
  refreshToken(id: string): RefreshToken | undefined;
  grant(id: string): Grant | undefined;
};

const TABLES = {
  RefreshToken: Prisma.RefreshTokenScalarFieldEnum,
  Grant: Prisma.GrantScalarFieldEnum,
  Client: Prisma.ClientScalarFieldEnum,
  User: Prisma.UserScalarFieldEnum,
};
type Table = keyof typeof TABLES;

const COLUMNS = Object.entries(TABLES).flatMap(([table, names]) =>
  Object.keys(names).map((name) => `"${table}"."${name}" AS "${table}.${name}"`),
);

/** `$1`: the hash of the token. One row for each role of its user. */
const REFRESH = reading(
  'refresh.find',
  `SELECT ${COLUMNS.join(', ')}, "UserRole"."role" AS "role" FROM "RefreshToken"
   LEFT JOIN "Grant" ON "Grant"."id" = "RefreshToken"."grantId"
   LEFT JOIN "Client" ON "Client"."id" = "RefreshToken"."clientId"
   LEFT JOIN "User" ON "User"."id" = "RefreshToken"."userId"
   LEFT JOIN "UserRole" ON "UserRole"."userId" = "User"."id"
   WHERE "RefreshToken"."id" = $1 ORDER BY "UserRole"."role"`,
);

/** Reads at once what the steps of a refresh ask for one after another; undefined when there is no such token. */
export async function readRefreshRows({ statements }: Database, value: string): Promise<RefreshRows | undefined> {
  const rows = await statements.run<Record<string, unknown>>(REFRESH, hashToken(value));
  const [first] = rows;
  if (!first) return undefined;
  const token = part<RefreshToken>(first, 'RefreshToken');
  if (!token) return undefined;
  const user = part<Omit<User, 'roles'>>(first, 'User');
  return {
    token,
    grant: part<Grant>(first, 'Grant'),
    client: part<Client>(first, 'Client'),
    user: user && userOf(rows.map(({ role }) => ({ ...user, role: typeof role === 'string' ? role : null }))),
  };
}

function part<Row extends { id: string }>(row: Record<string, unknown>, table: Table): Row | undefined {
  if (row[`${table}.id`] === null) return undefined;
  return Object.fromEntries(
    Object.keys(TABLES[table]).map((name) => [name, row[`${table}.${name}`]]),
  ) as unknown as Row;
}
