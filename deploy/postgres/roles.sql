-- Gives three roles what each needs, and takes away the rest: one that owns the tables and migrates, one for the
-- application, one that only reads, without addresses, names and texts.
--
--     psql --dbname=expiry --file=deploy/postgres/roles.sql
--     psql --dbname=expiry --set=owner=expiry --set=app=expiry_app --set=reader=expiry_reader --file=...
--
-- Run it as a superuser, or as the owner with CREATEROLE: once before the first migration, and after each migration.
-- May run at any time and as often as you like. It sets no password: use psql's \password.

\set ON_ERROR_STOP on
\if :{?owner} \else \set owner expiry_owner \endif
\if :{?app} \else \set app expiry_app \endif
\if :{?reader} \else \set reader expiry_reader \endif

SELECT count(DISTINCT name) < 3 AS same_role FROM unnest(ARRAY[:'owner', :'app', :'reader']) AS name \gset
\if :same_role
DO $$BEGIN RAISE 'owner, app and reader must be three roles'; END$$;
\endif

BEGIN;

SELECT format('CREATE ROLE %I LOGIN', name)
FROM unnest(ARRAY[:'owner', :'app', :'reader']) AS name
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) \gexec

-- Neither may create tables, not even temporary ones. The application uses none.
REVOKE ALL ON DATABASE :"DBNAME" FROM PUBLIC, :"app", :"reader";
GRANT CONNECT ON DATABASE :"DBNAME" TO :"owner", :"app", :"reader";
REVOKE ALL ON SCHEMA public FROM PUBLIC, :"app", :"reader";
GRANT USAGE ON SCHEMA public TO :"app", :"reader";
GRANT USAGE, CREATE ON SCHEMA public TO :"owner";

REVOKE ALL ON ALL TABLES IN SCHEMA public FROM PUBLIC, :"app", :"reader";
REVOKE ALL ON ALL SEQUENCES IN SCHEMA public FROM PUBLIC, :"app", :"reader";

-- A table of a later release works at once, before this file knows it. For the reader it stays closed until then.
ALTER DEFAULT PRIVILEGES FOR ROLE :"owner" IN SCHEMA public
    GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO :"app";

-- A backup reads the sequences too. The application's own statements need no right on them: they are identity columns'.
GRANT SELECT ON ALL SEQUENCES IN SCHEMA public TO :"app";
ALTER DEFAULT PRIVILEGES FOR ROLE :"owner" IN SCHEMA public GRANT SELECT ON SEQUENCES TO :"app";

-- The application. It deletes where something ends, and where the record's time is over; deliveries go with their
-- notification. Of an intervention it may change only what may name somebody: what was done, when and by whom stays.
CREATE TEMPORARY TABLE application (table_name, privileges) ON COMMIT DROP AS VALUES
    ('alembic_version', 'SELECT'),
    ('ar_contents', 'SELECT, INSERT, UPDATE'),
    ('channel_stops', 'SELECT, INSERT, UPDATE'),
    ('companies', 'SELECT, INSERT, UPDATE'),
    ('contacts', 'SELECT, INSERT, UPDATE'),
    ('deliveries', 'SELECT, INSERT, UPDATE'),
    ('interventions', 'SELECT, INSERT, UPDATE (why, address, before), DELETE'),
    ('leases', 'SELECT, INSERT, UPDATE, DELETE'),
    ('notifications', 'SELECT, INSERT, UPDATE, DELETE'),
    ('notifications_flat', 'SELECT'),
    ('pauses', 'SELECT, INSERT, UPDATE'),
    ('problems', 'SELECT, INSERT, UPDATE, DELETE'),
    ('projects', 'SELECT, INSERT, UPDATE'),
    ('requested_tests', 'SELECT, INSERT, UPDATE (idempotency_key, fingerprint), DELETE'),
    ('suppressions', 'SELECT, INSERT, UPDATE, DELETE');

SELECT format('GRANT %s ON public.%I TO %I', coalesce(privileges, 'SELECT, INSERT, UPDATE, DELETE'), relname, :'app')
FROM pg_class LEFT JOIN application ON table_name = relname
WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v') \gexec

-- The reader: the columns named here, and no other. What is left out is somebody's data or a secret: addresses, names,
-- texts, providers' words, hashes of keys, and free fields. The view notifications_flat shows texts.
CREATE TEMPORARY TABLE reading (table_name, columns) ON COMMIT DROP AS VALUES
    ('alembic_version', ARRAY['version_num']),
    ('ar_contents', ARRAY['id', 'slug', 'company_id', 'project_id', 'is_active', 'expires_at', 'deactivated_at',
                          'created_at']),
    ('channel_stops', ARRAY['channel', 'stopped_at', 'until']),
    ('companies', ARRAY['id', 'slug', 'locale', 'timezone', 'quiet_from', 'quiet_until', 'created_at', 'erased_at']),
    ('contacts', ARRAY['id', 'company_id', 'channel', 'enabled', 'source', 'created_at']),
    ('deliveries', ARRAY['id', 'notification_id', 'contact_id', 'channel', 'status', 'reason', 'attempts', 'claim_seq',
                         'claim_run', 'claim_attempt', 'provider_id', 'refused_at', 'possible_duplicate', 'created_at',
                         'claimed_at', 'sending_at', 'reopened_at', 'finished_at']),
    ('interventions', ARRAY['id', 'action', 'operator', 'delivery_id', 'project_id', 'company_id', 'channel',
                            'created_at']),
    ('leases', ARRAY['name', 'holder', 'until']),
    ('notifications', ARRAY['id', 'company_id', 'project_id', 'ar_content_id', 'notification_type', 'dedupe_key',
                            'status', 'item_ends_at', 'threshold_days', 'days_left', 'scan_at', 'give_up_at',
                            'created_at', 'started_at', 'recovered_at', 'finished_at', 'texts_removed_at',
                            'workflow_id']),
    ('pauses', ARRAY['id', 'operator', 'paused_at', 'resumed_by', 'resumed_at']),
    ('problems', ARRAY['code', 'channel', 'since', 'alerted_at']),
    ('projects', ARRAY['id', 'slug', 'company_id', 'status', 'starts_at', 'expires_at', 'auto_renew',
                       'subscription_type', 'notify_before_expiry_days', 'last_notification_sent_at', 'deactivated_at',
                       'created_at']),
    ('requested_tests', ARRAY['id', 'notification_id', 'created_at']),
    ('suppressions', ARRAY['channel', 'reason', 'notification_id', 'created_at']);

SELECT format('GRANT SELECT (%s) ON public.%I TO %I', string_agg(format('%I', attname), ', '), relname, :'reader')
FROM reading
JOIN pg_class ON relname = table_name AND relnamespace = 'public'::regnamespace
JOIN pg_attribute ON attrelid = pg_class.oid AND attname = ANY (columns) AND NOT attisdropped
GROUP BY relname \gexec
ALTER ROLE :"reader" IN DATABASE :"DBNAME" SET default_transaction_read_only = on;

COMMIT;
