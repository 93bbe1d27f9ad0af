import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { Secret } from '@portcullis/platform';
import pg from 'pg';
import { openAnalytics } from '../../src/analytics/open-analytics.ts';
import { COMPUTING_FUNCTIONS } from '../../src/analytics/postgresql-boundary.ts';
import { openStore } from '../../src/store/open-store.ts';
import { createAnalyticsRole } from '../support/analytics-role.ts';
import { emptyDatabase } from '../support/databases.ts';
import { silentLogger } from '../support/silent-logger.ts';

let database: Awaited<ReturnType<typeof emptyDatabase>>;
let owner: pg.Client;
let role: string;

beforeAll(async () => {
  database = await emptyDatabase({ withAnalyticsRole: true });
  await (await openStore(database, { logger: silentLogger, now: () => new Date() })).close();
  owner = new pg.Client({ connectionString: database.databaseUrl?.reveal() });
  await owner.connect();
  role = new URL(database.analyticsDatabaseUrl?.reveal() ?? '').username;
});

afterAll(async () => {
  await owner.end();
  await database.drop();
});

/** Whether the tool is there, with the role of this URL. */
async function opens(other: { url: Secret | undefined } = { url: database.analyticsDatabaseUrl }): Promise<boolean> {
  const options = { ...database, analyticsDatabaseUrl: other.url, analyticsTimeoutSeconds: 1 };
  const analytics = await openAnalytics(options, silentLogger);
  await analytics?.close();
  return analytics !== undefined;
}

test('SP-33 the tool is there with the role that the script makes, and may be opened again', async () => {
  expect(await opens()).toBe(true);
  expect(await opens()).toBe(true);
});

test('the tool is not there without a role, with one that is not known, and with one that nobody limited', async () => {
  expect(await opens({ url: undefined })).toBe(false);
  const url = new URL(database.databaseUrl?.reveal() ?? '');
  url.username = 'nobody_of_this_name';
  expect(await opens({ url: new Secret(url.href) })).toBe(false);
  url.username = 'postgres';
  expect(await opens({ url: new Secret(url.href) })).toBe(false);
});

const group = 'pg_read_all_data';

test.each<[string, (role: string) => string, (role: string) => string]>([
  ['a table', (to) => `grant select on customer to ${to}`, (from) => `revoke select on customer from ${from}`],
  [
    'a column',
    (to) => `grant select (email) on customer to ${to}`,
    (from) => `revoke select (email) on customer from ${from}`,
  ],
  [
    'a write to a view',
    (to) => `grant update on analytics.tickets to ${to}`,
    (from) => `revoke update on analytics.tickets from ${from}`,
  ],
  ['a catalogue', (to) => `grant select on pg_class to ${to}`, (from) => `revoke select on pg_class from ${from}`],
  [
    'a sequence',
    (to) => `grant usage on sequence ticket_message_id_seq to ${to}`,
    (from) => `revoke usage on sequence ticket_message_id_seq from ${from}`,
  ],
  [
    'a volatile function',
    (to) => `grant execute on function pg_sleep(float8) to ${to}`,
    (from) => `revoke execute on function pg_sleep(float8) from ${from}`,
  ],
  [
    'a stable function that looks elsewhere',
    (to) => `grant execute on function current_setting(text) to ${to}`,
    (from) => `revoke execute on function current_setting(text) from ${from}`,
  ],
  [
    'a function that everybody may call again',
    () => 'grant execute on function query_to_xml to public',
    () => 'revoke execute on function query_to_xml from public',
  ],
  [
    'a function of somebody’s own',
    (to) =>
      `create function public.mine() returns int immutable language sql as 'select 1'; grant execute on function public.mine() to ${to}`,
    () => 'drop function public.mine()',
  ],
  ['membership', (to) => `grant ${group} to ${to}`, (from) => `revoke ${group} from ${from}`],
  ['rights over others', (to) => `alter role ${to} createrole`, (from) => `alter role ${from} nocreaterole`],
  ['superuser', (to) => `alter role ${to} superuser`, (from) => `alter role ${from} nosuperuser`],
  [
    'temporary tables',
    () => `grant temporary on database "${databaseName()}" to public`,
    () => `revoke temporary on database "${databaseName()}" from public`,
  ],
  [
    'a schema to create in',
    (to) => `grant create on schema public to ${to}`,
    (from) => `revoke create on schema public from ${from}`,
  ],
  [
    'something of its own',
    (to) => `create table public.its (a int); alter table public.its owner to ${to}`,
    () => 'drop table public.its',
  ],
])('SP-33 the tool is not there when its role has %s', async (_title, give, take) => {
  await owner.query(give(role));
  try {
    expect(await opens()).toBe(false);
  } finally {
    await owner.query(take(role));
  }
  expect(await opens()).toBe(true);
});

test('the script and the check mean the same functions', () => {
  const script = readFileSync(join(import.meta.dirname, '../../../../docker/analytics-role.sql'), 'utf8');
  expect(script).toContain(`'${COMPUTING_FUNCTIONS}'`);
});

test('the script may be run again, for the same role or another one', async () => {
  const another = createAnalyticsRole(database.databaseUrl?.reveal() ?? '');
  try {
    expect(await opens({ url: new Secret(another.url) })).toBe(true);
    expect(await opens()).toBe(true);
  } finally {
    await another.drop();
  }
});

function databaseName(): string {
  return new URL(database.databaseUrl?.reveal() ?? '').pathname.slice(1);
}
