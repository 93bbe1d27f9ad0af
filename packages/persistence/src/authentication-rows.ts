import type { Counter } from './counters.ts';
import type { Database } from './database.ts';
import { type Client, Prisma } from './generated/postgresql/client.ts';
import { holdsNul } from './nul.ts';
import { columnsOf, forEach, reading } from './statements/statement.ts';
import { together } from './statements/together.ts';

/** Which client authenticates, and the key of the limit on how often it may fail. */
export type Authentication = { clientId: string; limitKey: string };

/** What authenticating a client stands on, as it was at one moment. */
export type AuthenticationRows = {
  client: Client | null;
  /** What the limit has counted, in whatever window; undefined for nothing. */
  counter: Counter | undefined;
};

/** Reads what authenticating a client stands on. */
export type ReadAuthentication = (asked: Authentication) => Promise<AuthenticationRows>;

const ROWS = `${columnsOf('Client', Prisma.ClientScalarFieldEnum)}, "RateLimit"."points", "RateLimit"."expire"`;

const rowsFor = (
  rows: string,
  clientId: string,
  limitKey: string,
) => `SELECT ${rows} FROM (SELECT ${clientId} AS "id", ${limitKey} AS "key") AS "of"
   LEFT JOIN "Client" ON "Client"."id" = "of"."id"
   LEFT JOIN "RateLimit" ON "RateLimit"."key" = "of"."key"`;

/** `$1`: the client's id, `$2`: the key of the limit. */
const CLIENT_WITH_COUNTER = reading('client.findWithCounter', rowsFor(ROWS, '$1::text', '$2::text'));

/** PostgreSQL only. `$1`: a list of {@link Authentication} with `nth`, in JSON. */
const CLIENTS_WITH_COUNTERS = reading(
  'client.findManyWithCounter',
  forEach(
    'json_to_recordset($1::json) AS "asked" ("nth" int, "clientId" text, "limitKey" text)',
    rowsFor(`"asked"."nth", ${ROWS}`, '"asked"."clientId"', '"asked"."limitKey"'),
  ),
);

type Row = Omit<Client, 'id'> & { id: string | null; points: number | null; expire: Date | null };

/** Reads a client and its counter at once; on PostgreSQL those that are asked for at the same time share the trip. */
export function createAuthenticationRows(database: Database): ReadAuthentication {
  const { kind, statements } = database;
  const alone = async ({ clientId, limitKey }: Authentication) =>
    rowsOf((await statements.run<Row>(CLIENT_WITH_COUNTER, clientId, limitKey))[0]);
  const read =
    kind === 'sqlite'
      ? alone
      : together({ all: (asked: readonly Authentication[]) => readAll(database, asked), alone });
  return ({ clientId, limitKey }) => {
    if (holdsNul(clientId)) return Promise.resolve(rowsOf(undefined));
    // Nor is there a place in PostgreSQL's JSON for half a surrogate pair, and no id of ours has one.
    return read({ clientId: clientId.toWellFormed(), limitKey: limitKey.toWellFormed() });
  };
}

/** Each different one once. */
async function readAll({ statements }: Database, asked: readonly Authentication[]): Promise<AuthenticationRows[]> {
  const different = [...new Map(asked.map((one) => [nameOf(one), one]))];
  const list = JSON.stringify(different.map(([, one], nth) => ({ ...one, nth })));
  const rows = await statements.run<Row & { nth: number }>(CLIENTS_WITH_COUNTERS, list);
  const found = new Map(rows.map((row) => [different[row.nth]?.[0], rowsOf(row)]));
  return asked.map((one) => found.get(nameOf(one)) ?? rowsOf(undefined));
}

function nameOf({ clientId, limitKey }: Authentication): string {
  return JSON.stringify([clientId, limitKey]);
}

function rowsOf(row: Row | undefined): AuthenticationRows {
  if (!row) return { client: null, counter: undefined };
  return {
    // A copy without the counter would cost more than the look-up.
    client: isFound(row) ? row : null,
    counter: row.points === null ? undefined : { points: row.points, expire: row.expire },
  };
}

function isFound(row: Row): row is Row & Client {
  return row.id !== null;
}
