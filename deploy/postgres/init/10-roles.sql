-- Runs once, when the data volume is empty: a role for the application with its database, a role for Temporal, which
-- creates its own. The passwords are those that the services use: a later change needs ALTER ROLE as well.

\set app_password `sed -n 's,^[a-z]*://expiry:\([^@]*\)@.*$,\1,p' /run/secrets/database_url`
\set temporal_password `cat /run/secrets/temporal_password`
-- An empty password would make a role that nobody can log in with.
SELECT 1 / least(length(:'app_password'), length(:'temporal_password'), 1) AS passwords_are_there;

CREATE ROLE expiry LOGIN PASSWORD :'app_password';
CREATE DATABASE expiry OWNER expiry;
REVOKE CONNECT ON DATABASE expiry FROM PUBLIC;

CREATE ROLE temporal LOGIN CREATEDB PASSWORD :'temporal_password';
