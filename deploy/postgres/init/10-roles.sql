-- Runs once, when the data volume is empty. Creates a role and a database for the application, and a role for Temporal,
-- which creates its own databases. The services use these passwords: to change one later, also run ALTER ROLE.

\set app_password `sed -n 's,^[a-z]*://expiry:\([^@]*\)@.*$,\1,p' /run/secrets/database_url`
\set temporal_password `cat /run/secrets/temporal_password`
-- Fails if a password is empty: with an empty password no role can log in.
SELECT 1 / least(length(:'app_password'), length(:'temporal_password'), 1) AS passwords_are_there;

CREATE ROLE expiry LOGIN PASSWORD :'app_password';
CREATE DATABASE expiry OWNER expiry;
REVOKE CONNECT ON DATABASE expiry FROM PUBLIC;

CREATE ROLE temporal LOGIN CREATEDB PASSWORD :'temporal_password';
