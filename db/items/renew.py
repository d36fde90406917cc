"""Renews a project: sets its new end, reactivates what was deactivated, and skips notifications of the old end."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import assert_never

from sqlalchemy import BigInteger, Boolean, Text, bindparam, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection

from db import locks
from db.models import TIMESTAMPTZ, ProjectStatus
from db.record.rules import ABOUT_AN_ITEM
from db.record.skip import skip_renewed


class NotRenewable(Exception):
    """The item cannot be renewed like this. The message says why, and what to do instead."""


class NoSuchProject(NotRenewable):
    """There is no project with this slug."""


@dataclass(frozen=True)
class Reactivated:
    """What this application had deactivated and is active again."""

    project: bool
    contents: int


@dataclass(frozen=True)
class Renewal:
    """The result of a renewal."""

    slug: str
    status: ProjectStatus
    """Stays `expired` if this application did not deactivate the project."""
    expires_at: datetime
    previous_expires_at: datetime
    reactivated: Reactivated
    skipped_deliveries: int
    """Deliveries about the old end that had not ended and were not in flight."""

    @property
    def changed(self) -> bool:
        """False: the project already had this end and was active."""
        return self.reactivated.project or self.expires_at != self.previous_expires_at


# The deliveries first and then the project: the record of a notification locks them in the same order.
_LOCK_DELIVERIES = text(f"""
SELECT d.notification_id
FROM deliveries d
JOIN notifications n ON n.id = d.notification_id
JOIN projects p ON p.id = n.project_id
WHERE p.slug = :slug AND n.status = 'open' AND {ABOUT_AN_ITEM}
  AND n.ar_content_id IS NULL AND n.item_ends_at <> :until
ORDER BY d.id
FOR UPDATE OF d
""").bindparams(  # noqa: S608 - made of constants
    bindparam("slug", type_=Text), bindparam("until", type_=TIMESTAMPTZ)
)

_LOCK_PROJECT = text("""
SELECT id, status, expires_at, deactivated_at IS NOT NULL AS was_deactivated
FROM projects WHERE slug = :slug FOR NO KEY UPDATE
""").bindparams(bindparam("slug", type_=Text))

_RENEW = text("""
WITH contents AS (
    UPDATE ar_contents SET is_active = true, deactivated_at = NULL
    WHERE :was_deactivated AND project_id = :project_id AND deactivated_at IS NOT NULL
      AND coalesce(expires_at > :now, true)
    RETURNING id
), renewed AS (
    UPDATE projects
    SET expires_at = :until, status = CASE WHEN :was_deactivated THEN 'active' ELSE status END, deactivated_at = NULL
    WHERE id = :project_id
    RETURNING status
)
SELECT renewed.status, (SELECT count(*) FROM contents) AS contents FROM renewed
""").bindparams(
    bindparam("project_id", type_=BigInteger),
    bindparam("was_deactivated", type_=Boolean),
    bindparam("now", type_=TIMESTAMPTZ),
    bindparam("until", type_=TIMESTAMPTZ),
)

_NOTE = text("""
INSERT INTO interventions (action, operator, why, project_id, before)
VALUES ('renew', :operator, :why, :project_id, :before)
""").bindparams(
    bindparam("operator", type_=Text),
    bindparam("why", type_=Text),
    bindparam("project_id", type_=BigInteger),
    bindparam("before", type_=JSONB),
)


async def note(
    connection: AsyncConnection, operator: str, why: str, project_id: int, before: dict[str, object]
) -> None:
    """Records who renewed the project or its AR content, and the values before."""
    await connection.execute(_NOTE, {"operator": operator, "why": why, "project_id": project_id, "before": before})


async def renew_project(
    connection: AsyncConnection, slug: str, until: datetime, now: datetime, operator: str, why: str
) -> Renewal:
    """Sets the new end, which is after `now`, and reactivates exactly what this application had deactivated.

    Needs a transaction. May run twice: the second run changes nothing. Raises `NotRenewable`.
    """
    until = until.replace(microsecond=0)  # as ends are kept and compared
    await locks.lock(connection)
    of_the_old_end = list(await connection.scalars(_LOCK_DELIVERIES, {"slug": slug, "until": until}))
    project = (await connection.execute(_LOCK_PROJECT, {"slug": slug})).one_or_none()
    if project is None:
        raise NoSuchProject(f"There is no project {slug!r}.")
    status = ProjectStatus(project.status)
    match status:
        case ProjectStatus.ARCHIVED:
            raise NotRenewable(f"The project {slug!r} is archived. To renew it, import it as active.")
        case ProjectStatus.ACTIVE | ProjectStatus.EXPIRED:
            pass
        case _:
            assert_never(status)
    if until < project.expires_at:
        raise NotRenewable(
            f"The project {slug!r} already ends later, at {project.expires_at:%Y-%m-%d %H:%M:%S} UTC. "
            "To set an earlier end, import it."
        )
    if until == project.expires_at and not project.was_deactivated:
        return Renewal(slug, status, until, until, Reactivated(False, 0), 0)
    renewed = (
        await connection.execute(
            _RENEW, {"project_id": project.id, "was_deactivated": project.was_deactivated, "now": now, "until": until}
        )
    ).one()
    skipped = await skip_renewed(connection, of_the_old_end)
    before = {"expires_at": project.expires_at.isoformat(), "status": status}
    await note(connection, operator, why, project.id, before)
    return Renewal(
        slug,
        ProjectStatus(renewed.status),
        until,
        project.expires_at,
        Reactivated(project.was_deactivated, renewed.contents),
        skipped,
    )
