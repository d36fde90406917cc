"""Ends are whole seconds in the years 1970 to 2999, and time zones are never abbreviations.

What the upgrade rewrites: projects, AR content and notifications whose end has a fraction of a second or lies outside
these years, and companies with one of the seven zones below. It reads each of these tables once. Nobody is told twice:
notifications keep their keys, which always had whole seconds. The downgrade changes no row.
"""

from __future__ import annotations

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

# A fraction of a second is cut off, so no end becomes later. Outside these years Python or PostgreSQL cannot calculate.
_WHOLE_END = """
CREATE FUNCTION whole_end(moment timestamptz) RETURNS timestamptz
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE
    WHEN moment < '1970-01-01 00:00:00+00' THEN '1970-01-01 00:00:00+00'::timestamptz
    WHEN moment > '2999-12-31 23:59:59+00' THEN '2999-12-31 23:59:59+00'::timestamptz
    WHEN moment IS NOT NULL THEN date_trunc('second', moment AT TIME ZONE 'UTC') AT TIME ZONE 'UTC'
END
"""

# PostgreSQL takes these for abbreviations, without summer time; everybody else takes them for zones. Each becomes
# the zone that it links to since release 2024b of the time zone database. UTC, GMT, UCT and Zulu are the same as both.
_IANA_ZONE = """
CREATE FUNCTION iana_zone(zone text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE upper(zone)
    WHEN 'CET' THEN 'Europe/Brussels'
    WHEN 'MET' THEN 'Europe/Brussels'
    WHEN 'EET' THEN 'Europe/Athens'
    WHEN 'WET' THEN 'Europe/Lisbon'
    WHEN 'EST' THEN 'America/Panama'
    WHEN 'MST' THEN 'America/Phoenix'
    WHEN 'HST' THEN 'Pacific/Honolulu'
    ELSE zone
END
"""

_COLUMNS = (
    ("companies", "timezone", "iana_zone"),
    ("projects", "expires_at", "whole_end"),
    ("projects", "starts_at", "whole_end"),
    ("ar_contents", "expires_at", "whole_end"),
    ("notifications", "item_ends_at", "whole_end"),
)
"""Each column, and the function that corrects what is written to it."""


def upgrade() -> None:
    op.execute(_WHOLE_END)
    op.execute(_IANA_ZONE)
    for table, column, rule in _COLUMNS:
        name = f"{table}_{column}_{rule}"
        op.execute(
            f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS"
            f" $$ BEGIN NEW.{column} := {rule}(NEW.{column}); RETURN NEW; END $$"
        )
        op.execute(
            f"CREATE TRIGGER {name} BEFORE INSERT OR UPDATE OF {column} ON {table}"
            f" FOR EACH ROW WHEN (NEW.{column} <> {rule}(NEW.{column})) EXECUTE FUNCTION {name}()"
        )
    # After the triggers, which lock out writers: nobody writes an end of the old form in between.
    for table, column, rule in _COLUMNS:
        op.execute(
            f"UPDATE {table} SET {column} = {rule}({column}) WHERE {column} <> {rule}({column})"  # noqa: S608 - ours
        )


def downgrade() -> None:
    for table, column, rule in _COLUMNS:
        name = f"{table}_{column}_{rule}"
        op.execute(f"DROP TRIGGER {name} ON {table}")
        op.execute(f"DROP FUNCTION {name}")
    op.execute("DROP FUNCTION iana_zone")
    op.execute("DROP FUNCTION whole_end")
