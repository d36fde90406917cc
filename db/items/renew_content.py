"""Renews AR content that has an end of its own: sets the new end, reactivates it, and skips notifications of the old
end."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, assert_never

from sqlalchemy import BigInteger, Boolean, Text, bindparam, text
from sqlalchemy.engine import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from db import locks
from db.items.renew import NotRenewable, note
from db.models import TIMESTAMPTZ, ProjectStatus
from db.record.rules import ABOUT_AN_ITEM
from db.record.skip import skip_renewed


class NoSuchContent(NotRenewable):
    """There is no AR content with this slug."""


@dataclass(frozen=True)
class ContentRenewal:
    """The result of a renewal."""

    slug: str
    project: str
    """Its project's slug."""
    is_active: bool
    """Stays false if this application did not deactivate it."""
    expires_at: datetime
    previous_expires_at: datetime
    ends_with_project_at: datetime | None
    """The end of its project, if that comes before `expires_at`: the AR content ends with it."""
    reactivated: bool
    skipped_deliveries: int
    """Deliveries about the old end that were skipped: they had not ended and were not in flight."""

    @property
    def changed(self) -> bool:
        """False: the AR content already had this end and was not deactivated."""
        return self.reactivated or self.expires_at != self.previous_expires_at


# The deliveries first and then the item, as in the renewal of a project.
_LOCK_DELIVERIES = text(f"""
SELECT d.notification_id
FROM deliveries d
JOIN notifications n ON n.id = d.notification_id
JOIN ar_contents a ON a.id = n.ar_content_id
WHERE a.slug = :slug AND n.status = 'open' AND {ABOUT_AN_ITEM} AND n.item_ends_at <> :until
ORDER BY d.id
FOR UPDATE OF d
""").bindparams(  # noqa: S608 - made of constants
    bindparam("slug", type_=Text), bindparam("until", type_=TIMESTAMPTZ)
)

# The lock of imports, deactivations and renewals keeps the project's row as it is.
_LOCK_CONTENT = text("""
SELECT a.id, a.is_active, a.expires_at, a.deactivated_at IS NOT NULL AS was_deactivated, p.id AS project_id,
       p.slug AS project, p.status AS project_status, p.expires_at AS project_expires_at, p.auto_renew
FROM ar_contents a
JOIN projects p ON p.id = a.project_id
WHERE a.slug = :slug
FOR NO KEY UPDATE OF a
""").bindparams(bindparam("slug", type_=Text))

_RENEW = text("""
UPDATE ar_contents SET expires_at = :until, is_active = is_active OR :was_deactivated, deactivated_at = NULL
WHERE id = :id
""").bindparams(
    bindparam("id", type_=BigInteger),
    bindparam("was_deactivated", type_=Boolean),
    bindparam("until", type_=TIMESTAMPTZ),
)


async def renew_content(
    connection: AsyncConnection, slug: str, until: datetime, now: datetime, operator: str, why: str
) -> ContentRenewal:
    """Sets the AR content's own end, which is after `now`, and reactivates it if this application had deactivated it.

    Needs a transaction. May run twice: the second run changes nothing. Raises `NotRenewable`.
    """
    until = until.replace(microsecond=0)  # as ends are kept and compared
    await locks.lock(connection)
    of_the_old_end = list(await connection.scalars(_LOCK_DELIVERIES, {"slug": slug, "until": until}))
    content = (await connection.execute(_LOCK_CONTENT, {"slug": slug})).one_or_none()
    if content is None:
        raise NoSuchContent(f"There is no AR content {slug!r}.")
    if reason := _obstacle(content, until, now):
        raise NotRenewable(f"The AR content {slug!r} {reason}")
    previous = content.expires_at
    skipped = 0
    if until != previous or content.was_deactivated:
        changes = {"id": content.id, "was_deactivated": content.was_deactivated, "until": until}
        await connection.execute(_RENEW, changes)
        skipped = await skip_renewed(connection, of_the_old_end)
        before = {"ar_content": slug, "expires_at": previous.isoformat(), "is_active": content.is_active}
        await note(connection, operator, why, content.project_id, before)
    outlives_project = not content.auto_renew and until > content.project_expires_at
    return ContentRenewal(
        slug,
        content.project,
        content.is_active or content.was_deactivated,
        until,
        previous,
        content.project_expires_at if outlives_project else None,
        content.was_deactivated,
        skipped,
    )


def _obstacle(content: Row[Any], until: datetime, now: datetime) -> str | None:
    """Returns why the AR content cannot be renewed, and what to do instead."""
    project = f"its project {content.project!r}"
    if content.expires_at is None:
        return f"has no end of its own: it ends with {project}. Renew the project."
    status = ProjectStatus(content.project_status)
    match status:
        case ProjectStatus.ARCHIVED:
            return f"cannot be renewed, because {project} is archived. Import the project as active first."
        case ProjectStatus.EXPIRED:
            ended = True
        case ProjectStatus.ACTIVE:
            ended = content.project_expires_at <= now and not content.auto_renew
        case _:
            assert_never(status)
    if ended:
        return f"cannot be renewed, because {project} has ended. Renew the project first."
    if until < content.expires_at:
        return f"already ends later, at {content.expires_at:%Y-%m-%d %H:%M:%S} UTC. To set an earlier end, import it."
    return None
