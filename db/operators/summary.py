"""Reads a day of the record for the operators, on their calendar, and what is ahead of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from sqlalchemy import ARRAY, Date, Text, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.items.rules import IS_REACHED_BY, TOLD_WITH_ITS_PROJECT
from db.models import TIMESTAMPTZ
from db.operators.problems import find_lasting
from db.record.rules import ABOUT_AN_ITEM


@dataclass(frozen=True)
class Days:
    """Days on the operators' calendar."""

    day: date
    """The day to summarise."""
    today: date
    scan_is_today: bool
    """The next scan is scheduled for today."""


_DAYS = text("""
SELECT coalesce(:day, (:at AT TIME ZONE :zone)::date - 1) AS day, today.day AS today,
       (:next_scan AT TIME ZONE :zone)::date = today.day AS scan_is_today
FROM (SELECT (now() AT TIME ZONE :zone)::date AS day) AS today
""").bindparams(
    bindparam("day", type_=Date),
    bindparam("at", type_=TIMESTAMPTZ),
    bindparam("next_scan", type_=TIMESTAMPTZ),
    bindparam("zone", type_=Text),
)


async def find_days(
    connection: AsyncConnection, zone: str, next_scan: datetime, *, at: datetime, day: date | None = None
) -> Days:
    """Returns the day to summarise: `day`, or without one the day before `at`. Reads only."""
    parameters = {"day": day, "at": at, "zone": zone, "next_scan": next_scan}
    row = (await connection.execute(_DAYS, parameters)).one()
    return Days(row.day, row.today, row.scan_is_today)


@dataclass(frozen=True)
class LastingProblem:
    """A problem that was alerted and is not over."""

    code: str
    subject: str
    since: datetime


@dataclass(frozen=True)
class DaySummary:
    """What happened on a day, and what is ahead. Counts messages and notifications to companies only: neither tests nor
    alerts."""

    day: date
    today: date
    """The day on which this was read."""
    is_yesterday: bool
    sent: int
    """Deliveries that a provider accepted on that day."""
    rejected: int
    failed: int
    """Deliveries that were given up on that day."""
    in_doubt: int
    projects_off: int
    """Projects that were deactivated on that day and are not active again."""
    contents_off: int
    due_today: int
    unreachable: int
    """Companies with an item that ends, and without an address that can be used."""
    waiting: int
    """Notifications that are open now."""
    problems: Sequence[LastingProblem]


# A day need not begin at 00:00, and some clocks show 00:00 twice, so each row is asked for its own date. The range
# around it is for the BRIN index, which finds the part of a large table that was written in those days.
_ON_THAT_DAY = "{column} >= :begin AND {column} < :end AND ({column} AT TIME ZONE :zone)::date = :day"

_READ = text(f"""
WITH ended AS (
    SELECT d.status, count(*) AS count
    FROM deliveries d JOIN notifications n ON n.id = d.notification_id
    WHERE {_ON_THAT_DAY.format(column="d.finished_at")} AND {ABOUT_AN_ITEM}
    GROUP BY d.status
)
SELECT
    coalesce((SELECT count FROM ended WHERE status = 'accepted'), 0) AS sent,
    coalesce((SELECT count FROM ended WHERE status = 'rejected'), 0) AS rejected,
    coalesce((SELECT count FROM ended WHERE status = 'failed'), 0) AS failed,
    coalesce((SELECT count FROM ended WHERE status = 'unknown'), 0) AS in_doubt,
    (SELECT count(*) FROM projects p WHERE {_ON_THAT_DAY.format(column="p.deactivated_at")}) AS projects_off,
    (SELECT count(*) FROM ar_contents a WHERE {_ON_THAT_DAY.format(column="a.deactivated_at")}) AS contents_off,
    (
        SELECT count(*) FROM notifications n
        WHERE n.notification_type = 'expiring' AND n.created_at >= :today_begin
          AND (n.created_at AT TIME ZONE :zone)::date = :today
    ) AS opened_today,
    (
        SELECT count(*) FROM companies c
        WHERE NOT EXISTS (SELECT FROM contacts contact
                          WHERE contact.company_id = c.id AND contact.channel = ANY(:channels) AND {IS_REACHED_BY})
          AND (EXISTS (SELECT FROM projects p
                       WHERE p.company_id = c.id AND p.status = 'active' AND NOT p.auto_renew AND p.expires_at > now())
            OR EXISTS (SELECT FROM projects p JOIN ar_contents a ON a.project_id = p.id
                       WHERE p.company_id = c.id AND p.status = 'active' AND a.is_active AND a.expires_at > now()
                         AND NOT {TOLD_WITH_ITS_PROJECT}))
    ) AS unreachable,
    (SELECT count(*) FROM notifications n WHERE n.status = 'open' AND n.started_at IS NULL AND {ABOUT_AN_ITEM})
    + (SELECT count(*) FROM notifications n WHERE n.status = 'open' AND n.started_at IS NOT NULL AND {ABOUT_AN_ITEM})
        AS waiting
""").bindparams(  # noqa: S608 - made of constants
    bindparam("zone", type_=Text),
    bindparam("day", type_=Date),
    bindparam("today", type_=Date),
    bindparam("begin", type_=TIMESTAMPTZ),
    bindparam("end", type_=TIMESTAMPTZ),
    bindparam("today_begin", type_=TIMESTAMPTZ),
    bindparam("channels", type_=ARRAY(Text)),
)


async def read_summary(
    connection: AsyncConnection, zone: str, days: Days, channels: Sequence[str], still_due: int
) -> DaySummary:
    """Reads the day. `channels` are those that this installation uses; `still_due` are items that a scan today will
    find due, besides those that have their notification. Reads only."""
    begin, end = _around(days.day)
    parameters = {
        "zone": zone,
        "day": days.day,
        "today": days.today,
        "begin": begin,
        "end": end,
        "today_begin": _around(days.today)[0],
        "channels": list(channels),
    }
    row = (await connection.execute(_READ, parameters)).one()
    lasting = await find_lasting(connection)
    return DaySummary(
        day=days.day,
        today=days.today,
        is_yesterday=days.day == days.today - timedelta(days=1),
        sent=row.sent,
        rejected=row.rejected,
        failed=row.failed,
        in_doubt=row.in_doubt,
        projects_off=row.projects_off,
        contents_off=row.contents_off,
        due_today=row.opened_today + still_due,
        unreachable=row.unreachable,
        waiting=row.waiting,
        problems=[LastingProblem(each["code"], each["subject"], each["since"]) for each in lasting],
    )


def _around(day: date) -> tuple[datetime, datetime]:
    """Returns a range that has the whole day in any time zone."""
    midnight = datetime.combine(day, time.min, UTC)
    return midnight - timedelta(days=1), midnight + timedelta(days=2)
