-- Makes the login role that query_analytics runs SQL as, and takes from PUBLIC, in this one database, what that role
-- must not do: only a superuser may take the built-in functions from PUBLIC. May be run again at any time, and has to be
-- after a change of PostgreSQL's major version. The database must serve the MCP server alone.
--
--   psql --dbname=desk --set=owner=desk --set=role=desk_analytics --file=docker/analytics-role.sql
--   \password desk_analytics
--
-- owner is the role of PORTCULLIS_MCP_DATABASE_URL, role the one of PORTCULLIS_MCP_ANALYTICS_DATABASE_URL. A variable
-- "password" sets the password at once.
\set ON_ERROR_STOP on
\set QUIET on
BEGIN;

SELECT format('CREATE ROLE %I', :'role') WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = :'role') \gexec
ALTER ROLE :"role" LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS NOINHERIT;
ALTER ROLE :"role" SET default_transaction_read_only = on;
ALTER ROLE :"role" SET statement_timeout = '30s';
\if :{?password}
  ALTER ROLE :"role" PASSWORD :'password';
\endif
SELECT format('REVOKE %I FROM %I', of.rolname, :'role')
  FROM pg_auth_members JOIN pg_roles of ON of.oid = roleid
  WHERE member = (SELECT oid FROM pg_roles WHERE rolname = :'role') \gexec

SELECT format('REVOKE CREATE, TEMPORARY ON DATABASE %I FROM PUBLIC', current_database()) \gexec
SELECT format('GRANT CONNECT ON DATABASE %I TO %I', current_database(), :'role') \gexec
REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT ALL ON SCHEMA public TO :"owner";
CREATE SCHEMA IF NOT EXISTS analytics AUTHORIZATION :"owner";
GRANT USAGE ON SCHEMA analytics TO :"role";

-- Tables and views that everybody may read: the catalogues, and information_schema. The owner keeps what it had.
CREATE TEMPORARY TABLE everybodys_relation ON COMMIT DROP AS
  SELECT oid, EXISTS (SELECT FROM aclexplode(relacl) WHERE grantee = 0 AND privilege_type = 'SELECT') AS readable
  FROM pg_class
  WHERE relkind IN ('r', 'v', 'm', 'f', 'p', 'S') AND (
    EXISTS (SELECT FROM aclexplode(relacl) WHERE grantee = 0)
    OR EXISTS (SELECT FROM pg_attribute, aclexplode(attacl) WHERE attrelid = pg_class.oid AND grantee = 0));
SELECT format('GRANT SELECT ON %s TO %I', string_agg(oid::regclass::text, ', '), :'owner')
  FROM everybodys_relation WHERE readable HAVING count(*) > 0 \gexec
SELECT format('REVOKE ALL ON %s FROM PUBLIC', string_agg(oid::regclass::text, ', '))
  FROM everybodys_relation HAVING count(*) > 0 \gexec

-- Functions that everybody may call. The role gets back those that compute and do nothing else: the immutable ones, and
-- of the stable ones those of dates, texts, arrays and JSON. Nothing that is volatile: set_config, query_to_xml,
-- pg_sleep, advisory locks, large objects, dblink.
CREATE TEMPORARY TABLE everybodys_routine ON COMMIT DROP AS
  SELECT p.oid FROM pg_proc p, aclexplode(coalesce(proacl, acldefault('f', proowner)))
  WHERE grantee = 0 AND privilege_type = 'EXECUTE';
SELECT format('GRANT EXECUTE ON ROUTINE %s TO %I', string_agg(oid::regprocedure::text, ', '), :'owner')
  FROM everybodys_routine HAVING count(*) > 0 \gexec
SELECT format('REVOKE EXECUTE ON ROUTINE %s FROM PUBLIC', string_agg(oid::regprocedure::text, ', '))
  FROM everybodys_routine HAVING count(*) > 0 \gexec
ALTER DEFAULT PRIVILEGES FOR ROLE :"owner" REVOKE EXECUTE ON ROUTINES FROM PUBLIC;
SELECT format('GRANT EXECUTE ON ROUTINE %s TO %I', string_agg(oid::regprocedure::text, ', '), :'role')
  FROM pg_proc
  WHERE pronamespace = 'pg_catalog'::regnamespace AND (provolatile = 'i' OR provolatile = 's' AND proname ~
    '^(age|any(array|enum|range|textcat)(_out)?|array_(in|out|to_json|to_string)|cash_(in|out)|concat(_ws)?|date(_.+)?|enum_(in|out)|extract|format|in_range|interval_.+|jsonb?_(agg|build|object|populate|to_record).*|length|make_timestamptz|money|now|numeric|overlaps|quote_(literal|nullable)|range_(in|out)|record_(in|out)|row_to_json|statement_timestamp|textanycat|time(_.+)?|timestamp(_.+)?|timestamptz(_.+)?|timetz(_.+)?|timezone|to_(char|date|jsonb?|number|timestamp)|transaction_timestamp)$') \gexec

COMMIT;
