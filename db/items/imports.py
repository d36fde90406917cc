"""Upserts companies, projects and AR content in bulk by slug, one statement for each batch.

A row that would not change is not touched: importing unchanged data writes and locks nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BindParameter, TextClause, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.locks import lock
from db.models import TIMESTAMPTZ
from db.record.rules import always_delivered

Lines = Sequence[Mapping[str, Any]]
"""JSON objects with the value of each column; every slug occurs once. For a relative time `expires_at` is None and
`expires_in` has the seconds; `starts_in` is alike. A company's quiet hours are changed only with `sets_quiet_hours`."""


@dataclass(frozen=True)
class Upserted:
    """The result of a batch. Lines that are counted nowhere were unchanged."""

    new: int
    changed: int
    unresolved: list[str] = field(default_factory=list)
    """Slugs of lines that refer to a missing row. Nothing was written for them."""


# These are no places: they mean the server's own zone, or no zone at all.
_TIME_ZONES = text("SELECT name FROM pg_timezone_names WHERE name NOT IN ('localtime', 'posixrules', 'Factory')")


async def find_time_zones(connection: AsyncConnection) -> set[str]:
    """Returns the time zones that this PostgreSQL knows. It would refuse a whole batch for an unknown one."""
    return set(await connection.scalars(_TIME_ZONES))


def _lines() -> BindParameter[Any]:
    return bindparam("lines", type_=JSON)


# A line describes one contact on each channel: the import's own. It is changed in place, and exists even without an
# address. If the company has the same address from another source, that contact keeps it and the import's has none.
_COMPANIES = text("""
WITH line AS (
    SELECT * FROM json_to_recordset(:lines) AS line (
        slug text, name text, contact_email text, telegram_chat_id bigint, locale text, timezone text,
        email_enabled boolean, telegram_enabled boolean, sets_quiet_hours boolean, quiet_from time, quiet_until time
    )
), new AS (
    SELECT line.slug, line.name, line.locale, iana_zone(line.timezone) AS timezone,
           CASE WHEN line.sets_quiet_hours THEN line.quiet_from ELSE old.quiet_from END AS quiet_from,
           CASE WHEN line.sets_quiet_hours THEN line.quiet_until ELSE old.quiet_until END AS quiet_until
    FROM line LEFT JOIN companies old USING (slug)
), written AS (
    INSERT INTO companies AS company (slug, name, locale, timezone, quiet_from, quiet_until)
    SELECT new.*
    FROM new LEFT JOIN companies old USING (slug)
    WHERE old.id IS NULL
       OR (old.name, old.locale, old.timezone, old.quiet_from, old.quiet_until)
          IS DISTINCT FROM
          (new.name, new.locale, new.timezone, new.quiet_from, new.quiet_until)
    ON CONFLICT (slug) DO UPDATE
    SET name = excluded.name, locale = excluded.locale, timezone = excluded.timezone,
        quiet_from = excluded.quiet_from, quiet_until = excluded.quiet_until
    RETURNING company.id, company.slug
), said AS (
    SELECT slug, coalesce(old.id, written.id) AS company_id, contact.*
    FROM line
    LEFT JOIN companies old USING (slug)
    LEFT JOIN written USING (slug)
    CROSS JOIN LATERAL (
        VALUES ('email', line.contact_email, lower(line.contact_email), line.email_enabled),
               ('telegram', line.telegram_chat_id::text, line.telegram_chat_id::text, line.telegram_enabled)
    ) AS contact (channel, address, address_key, enabled)
), contact AS (
    SELECT said.company_id, said.channel, said.enabled,
           CASE WHEN NOT known.elsewhere THEN said.address END AS address,
           CASE WHEN NOT known.elsewhere THEN said.address_key END AS address_key
    FROM said
    CROSS JOIN LATERAL (
        SELECT EXISTS (
            SELECT FROM contacts other
            WHERE other.company_id = said.company_id AND other.channel = said.channel
              AND other.address_key = said.address_key AND other.source <> 'import'
        ) AS elsewhere
    ) known
), contacts_written AS (
    INSERT INTO contacts AS own (company_id, channel, address, address_key, enabled, source)
    SELECT contact.company_id, contact.channel, contact.address, contact.address_key, contact.enabled, 'import'
    FROM contact
    LEFT JOIN contacts old
           ON old.company_id = contact.company_id AND old.channel = contact.channel AND old.source = 'import'
    WHERE old.id IS NULL
       OR (old.address, old.address_key, old.enabled)
          IS DISTINCT FROM (contact.address, contact.address_key, contact.enabled)
    ORDER BY contact.company_id, array_position(:always_delivered, contact.channel)
    ON CONFLICT (company_id, channel) WHERE source = 'import' DO UPDATE
    SET address = excluded.address, address_key = excluded.address_key, enabled = excluded.enabled
    RETURNING own.company_id
), touched AS (
    SELECT slug FROM written
  UNION
    SELECT said.slug FROM contacts_written JOIN said USING (company_id)
)
SELECT count(*) FILTER (WHERE old.id IS NULL) AS new, count(*) FILTER (WHERE old.id IS NOT NULL) AS changed
FROM touched LEFT JOIN companies old USING (slug)
""").bindparams(_lines(), always_delivered())


async def upsert_companies(connection: AsyncConnection, lines: Lines, now: datetime) -> Upserted:
    """Creates or updates companies, each with one contact on each channel. May run twice."""
    return await _upsert(connection, _COMPANIES, {"lines": lines})


# A relative time counts only for a row that has no such time yet. When a project has ended, the application makes it
# 'expired', while its line still says 'active': that line does not reactivate it. A new end reactivates it, together
# with the AR content that was deactivated.
_PROJECTS = text("""
WITH line AS (
    SELECT * FROM json_to_recordset(:lines) AS line (
        slug text, company_slug text, name text, status text, starts_at timestamptz, starts_in double precision,
        expires_at timestamptz, expires_in double precision, auto_renew boolean, subscription_type text,
        notify_before_expiry_days integer[], tags text[], metadata jsonb
    )
), new AS (
    SELECT line.slug, c.id AS company_id, line.name,
           CASE WHEN old.status = 'expired' AND line.status = 'active' AND ends.at <= :now
                THEN 'expired' ELSE line.status END AS status,
           coalesce(line.starts_at, CASE WHEN line.starts_in IS NOT NULL THEN
               coalesce(old.starts_at, :now + make_interval(secs => line.starts_in)) END) AS starts_at,
           ends.at AS expires_at, line.auto_renew, line.subscription_type, line.notify_before_expiry_days,
           line.tags, line.metadata
    FROM line
    LEFT JOIN companies c ON c.slug = line.company_slug
    LEFT JOIN projects old ON old.slug = line.slug
    CROSS JOIN LATERAL (
        SELECT coalesce(line.expires_at, old.expires_at, :now + make_interval(secs => line.expires_in)) AS at
    ) ends
), written AS (
    INSERT INTO projects AS project
        (slug, company_id, name, status, starts_at, expires_at, auto_renew, subscription_type,
         notify_before_expiry_days, tags, metadata)
    SELECT new.*
    FROM new LEFT JOIN projects old USING (slug)
    WHERE new.company_id IS NOT NULL AND (
        old.id IS NULL
        OR (old.company_id, old.name, old.status, old.starts_at, old.expires_at, old.auto_renew,
            old.subscription_type, old.notify_before_expiry_days, old.tags, old.metadata)
           IS DISTINCT FROM
           (new.company_id, new.name, new.status, new.starts_at, new.expires_at, new.auto_renew,
            new.subscription_type, new.notify_before_expiry_days, new.tags, new.metadata)
    )
    ON CONFLICT (slug) DO UPDATE
    SET company_id = excluded.company_id, name = excluded.name, status = excluded.status,
        starts_at = excluded.starts_at, expires_at = excluded.expires_at, auto_renew = excluded.auto_renew,
        subscription_type = excluded.subscription_type,
        notify_before_expiry_days = excluded.notify_before_expiry_days, tags = excluded.tags,
        metadata = excluded.metadata,
        deactivated_at = CASE WHEN excluded.status = 'expired' THEN project.deactivated_at END
    RETURNING project.id, project.slug, project.company_id, project.status
), contents AS (
    UPDATE ar_contents a
    SET company_id = written.company_id,
        is_active = a.is_active OR back.is_active,
        deactivated_at = CASE WHEN back.is_active THEN NULL ELSE a.deactivated_at END
    FROM written
    JOIN projects old USING (slug)
    JOIN ar_contents content ON content.project_id = written.id
    CROSS JOIN LATERAL (
        SELECT written.status = 'active' AND old.deactivated_at IS NOT NULL AND content.deactivated_at IS NOT NULL
               AND coalesce(content.expires_at > :now, true) AS is_active
    ) back
    WHERE a.id = content.id AND (a.company_id <> written.company_id OR back.is_active)
)
SELECT count(*) FILTER (WHERE old.id IS NULL) AS new, count(*) FILTER (WHERE old.id IS NOT NULL) AS changed,
       (SELECT coalesce(array_agg(slug), '{}') FROM new WHERE company_id IS NULL) AS unresolved
FROM written LEFT JOIN projects old USING (slug)
""").bindparams(_lines(), bindparam("now", type_=TIMESTAMPTZ))


async def upsert_projects(connection: AsyncConnection, lines: Lines, now: datetime) -> Upserted:
    """Creates or updates projects. Relative times of new rows count from `now`. May run twice.

    If a project moves to another company, its AR content moves too. If a deactivated project gets a new end, it and its
    deactivated AR content are reactivated.
    """
    return await _upsert(connection, _PROJECTS, {"lines": lines, "now": now})


# As with projects, a line that says nothing new does not reactivate AR content that was deactivated because it or its
# project had ended. New AR content of such a project stays inactive until the renewal, like the rest. If a line says
# inactive, that is the platform's own decision, which a renewal does not undo.
_AR_CONTENTS = text("""
WITH line AS (
    SELECT * FROM json_to_recordset(:lines) AS line (
        slug text, project_slug text, title text, is_active boolean, expires_at timestamptz,
        expires_in double precision
    )
), new AS (
    SELECT line.slug, p.company_id, p.id AS project_id, line.title,
           on_now.is_active, ends.at AS expires_at,
           CASE WHEN line.is_active AND NOT on_now.is_active AND old.id IS NULL THEN p.deactivated_at
                WHEN line.is_active AND NOT on_now.is_active THEN old.deactivated_at END AS deactivated_at
    FROM line
    LEFT JOIN projects p ON p.slug = line.project_slug
    LEFT JOIN ar_contents old ON old.slug = line.slug
    CROSS JOIN LATERAL (
        SELECT coalesce(line.expires_at, CASE WHEN line.expires_in IS NOT NULL THEN
            coalesce(old.expires_at, :now + make_interval(secs => line.expires_in)) END) AS at
    ) ends
    CROSS JOIN LATERAL (
        SELECT line.is_active AND (
            coalesce(old.is_active, p.deactivated_at IS NULL)
            OR p.deactivated_at IS NULL AND coalesce(ends.at, p.expires_at) > :now
        ) AS is_active
    ) on_now
), written AS (
    INSERT INTO ar_contents AS content
        (slug, company_id, project_id, title, is_active, expires_at, deactivated_at)
    SELECT new.*
    FROM new LEFT JOIN ar_contents old USING (slug)
    WHERE new.project_id IS NOT NULL AND (
        old.id IS NULL
        OR (old.company_id, old.project_id, old.title, old.is_active, old.expires_at, old.deactivated_at)
           IS DISTINCT FROM
           (new.company_id, new.project_id, new.title, new.is_active, new.expires_at, new.deactivated_at)
    )
    ON CONFLICT (slug) DO UPDATE
    SET company_id = excluded.company_id, project_id = excluded.project_id, title = excluded.title,
        is_active = excluded.is_active, expires_at = excluded.expires_at, deactivated_at = excluded.deactivated_at
    RETURNING content.slug
)
SELECT count(*) FILTER (WHERE old.id IS NULL) AS new, count(*) FILTER (WHERE old.id IS NOT NULL) AS changed,
       (SELECT coalesce(array_agg(slug), '{}') FROM new WHERE project_id IS NULL) AS unresolved
FROM written LEFT JOIN ar_contents old USING (slug)
""").bindparams(_lines(), bindparam("now", type_=TIMESTAMPTZ))


async def upsert_ar_contents(connection: AsyncConnection, lines: Lines, now: datetime) -> Upserted:
    """Creates or updates AR content. Relative times of new rows count from `now`. May run twice."""
    return await _upsert(connection, _AR_CONTENTS, {"lines": lines, "now": now})


async def _upsert(connection: AsyncConnection, statement: TextClause, parameters: dict[str, Any]) -> Upserted:
    await lock(connection)
    row = (await connection.execute(statement, parameters)).mappings().one()
    return Upserted(**row)
