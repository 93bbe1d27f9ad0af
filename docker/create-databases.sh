#!/bin/bash
# Runs once, when PostgreSQL's data folder is empty. Makes two databases that cannot see each other:
#   portcullis   owned by portcullis_owner, which migrates it; the authorization server serves as portcullis
#   desk         owned by desk, the MCP server; its tool query_analytics reads as desk_analytics
set -euo pipefail

secrets=${PORTCULLIS_SECRETS_FOLDER:-/run/secrets}
analytics_role=${PORTCULLIS_ANALYTICS_ROLE_SCRIPT:-/portcullis/analytics-role.sql}

# psql quotes what it reads from its variables; passwords reach it through its input, never through its arguments.
psql --set ON_ERROR_STOP=1 --no-psqlrc --quiet --username "$POSTGRES_USER" --dbname postgres <<SQL
\set owner_password \`cat "$secrets/owner-password"\`
\set server_password \`cat "$secrets/server-password"\`
\set desk_password \`cat "$secrets/desk-password"\`

CREATE ROLE portcullis_owner LOGIN PASSWORD :'owner_password';
CREATE ROLE portcullis LOGIN PASSWORD :'server_password';
CREATE ROLE desk LOGIN PASSWORD :'desk_password';

CREATE DATABASE portcullis OWNER portcullis_owner;
CREATE DATABASE desk OWNER desk;
REVOKE ALL ON DATABASE portcullis, desk FROM PUBLIC;
GRANT CONNECT ON DATABASE portcullis TO portcullis;

\connect portcullis
ALTER SCHEMA public OWNER TO portcullis_owner;
GRANT USAGE ON SCHEMA public TO portcullis;
ALTER DEFAULT PRIVILEGES FOR ROLE portcullis_owner IN SCHEMA public
  GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO portcullis;
ALTER DEFAULT PRIVILEGES FOR ROLE portcullis_owner IN SCHEMA public
  GRANT USAGE, SELECT ON SEQUENCES TO portcullis;

\connect desk
ALTER SCHEMA public OWNER TO desk;
\set owner desk
\set role desk_analytics
\set password \`cat "$secrets/analytics-password"\`
\i $analytics_role
SQL
