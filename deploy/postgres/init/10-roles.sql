-- Runs once, when the data volume is empty. Creates a role and a database for the application, and a role for Temporal,
-- which creates its own databases. The services use these passwords: to change one later, also run ALTER ROLE.

-- Stops at the first error, however this file is run: without it psql would go on and create roles with empty passwords.
\set ON_ERROR_STOP on

\set app_password `sed -n 's,^[a-z]*://expiry:\([^@]*\)@.*$,\1,p' /run/secrets/database_url`
\set temporal_password `cat /run/secrets/temporal_password`
SELECT length(:'app_password') = 0 AS no_app_password, length(:'temporal_password') = 0 AS no_temporal_password \gset
\if :no_app_password
DO $$BEGIN RAISE 'no password in /run/secrets/database_url: write postgresql://expiry:PASSWORD@HOST:5432/expiry into it'; END$$;
\endif
\if :no_temporal_password
DO $$BEGIN RAISE 'no password in /run/secrets/temporal_password: write one into it'; END$$;
\endif

CREATE ROLE expiry LOGIN PASSWORD :'app_password';
CREATE DATABASE expiry OWNER expiry;
REVOKE CONNECT ON DATABASE expiry FROM PUBLIC;

CREATE ROLE temporal LOGIN CREATEDB PASSWORD :'temporal_password';
