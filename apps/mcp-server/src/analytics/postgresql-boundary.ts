import { type Kysely, sql } from 'kysely';
import type { DeskTables } from '../store/tables.ts';
import { ANALYTICS_VIEWS } from './views.ts';

/**
 * The stable functions that only compute, as docker/analytics-role.sql grants them; among the built-in ones the
 * immutable are allowed besides, and no volatile one.
 */
export const COMPUTING_FUNCTIONS =
  '^(age|any(array|enum|range|textcat)(_out)?|array_(in|out|to_json|to_string)|cash_(in|out)|concat(_ws)?|date(_.+)?|enum_(in|out)|extract|format|in_range|interval_.+|jsonb?_(agg|build|object|populate|to_record).*|length|make_timestamptz|money|now|numeric|overlaps|quote_(literal|nullable)|range_(in|out)|record_(in|out)|row_to_json|statement_timestamp|textanycat|time(_.+)?|timestamp(_.+)?|timestamptz(_.+)?|timetz(_.+)?|timezone|to_(char|date|jsonb?|number|timestamp)|transaction_timestamp)$';

/** A question to the catalogues that names what the role must not have; each row is one such thing. */
type Question = { about: string; ask(role: string): ReturnType<typeof sql<{ thing: string }>> };

const VIEW_NAMES = sql.join(ANALYTICS_VIEWS.map(({ name }) => sql.lit(name)));

const QUESTIONS: readonly Question[] = [
  {
    about: 'it must be an ordinary login role',
    ask: (role) => sql`select 'its attributes' as thing where not exists (
      select from pg_roles where rolname = ${role} and rolcanlogin
        and not (rolsuper or rolcreatedb or rolcreaterole or rolreplication or rolbypassrls))`,
  },
  {
    about: 'it must be a member of no other role',
    ask: (role) => sql`select roleid::regrole::text as thing from pg_auth_members
      where member = (select oid from pg_roles where rolname = ${role})`,
  },
  {
    about: 'it must own nothing',
    ask: (role) => sql`select classid::regclass::text as thing from pg_shdepend
      where deptype = 'o' and refclassid = 'pg_authid'::regclass
        and refobjid = (select oid from pg_roles where rolname = ${role})`,
  },
  {
    about: 'it must not create anything',
    ask: (role) => sql`select 'in this database' as thing
        where has_database_privilege(${role}, current_database(), 'CREATE, TEMPORARY')
      union all select nspname::text from pg_namespace where has_schema_privilege(${role}, oid, 'CREATE')`,
  },
  {
    about: 'it may read the analytics views only',
    ask: (role) => sql`select c.oid::regclass::text as thing from pg_class c, pg_namespace n
      where n.oid = c.relnamespace and c.relkind in ('r', 'v', 'm', 'f', 'p')
        and (has_table_privilege(${role}, c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER')
          or has_any_column_privilege(${role}, c.oid, 'INSERT, UPDATE, REFERENCES')
          or (has_any_column_privilege(${role}, c.oid, 'SELECT')
            and not (n.nspname = 'analytics' and c.relkind = 'v' and c.relname in (${VIEW_NAMES}))))
      union all select oid::regclass::text from pg_class
        where case relkind when 'S' then has_sequence_privilege(${role}, oid, 'USAGE, SELECT, UPDATE') end`,
  },
  {
    about: 'it may call functions that compute only',
    ask: (role) => sql`select proname::text as thing from pg_proc
      where has_function_privilege(${role}, oid, 'EXECUTE') and not (
        pronamespace = 'pg_catalog'::regnamespace and not prosecdef
        and (provolatile = 'i' or provolatile = 's' and proname ~ ${COMPUTING_FUNCTIONS}))`,
  },
];

const NAMED_AT_MOST = 3;

/**
 * Asks the server what a role may do, and says what is too much; nothing where the boundary of query_analytics stands.
 * Read from the catalogues over the connection of the desk's own role, because the role itself cannot read them.
 * It is asked once, at the start: what is granted later is not seen before the next one.
 */
export async function boundaryProblems(db: Kysely<DeskTables>, role: string): Promise<string[]> {
  const known = await sql`select from pg_roles where rolname = ${role}`.execute(db);
  if (known.rows.length === 0) return ['there is no such role'];
  const problems: string[] = [];
  for (const { about, ask } of QUESTIONS) {
    const { rows } = await ask(role).execute(db);
    const names = rows.slice(0, NAMED_AT_MOST).map(({ thing }) => thing);
    const more = rows.length > names.length ? ` and ${rows.length - names.length} more` : '';
    if (rows.length > 0) problems.push(`${about} (${names.join(', ')}${more})`);
  }
  return problems;
}
