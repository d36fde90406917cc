"""Finds items that have ended and are still active."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import BigInteger, TextClause, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.items.kinds import CONTENTS, PROJECTS, count_of, of_kind, page_of
from db.items.rules import TOLD_WITH_ITS_PROJECT
from db.models import TIMESTAMPTZ


@dataclass(frozen=True)
class DeactivationRules:
    """What decides whether an item is deactivated, apart from its own row."""

    now: datetime
    ended_before: datetime
    """Items that ended until this moment are deactivated: `now` minus the grace period."""
    postponed_after: datetime
    """The deactivation of an item that ended after this is postponed until a channel has accepted a notification."""

    def postpones(self, item: EndedItem) -> bool:
        """Whether the item stays active for now."""
        return not item.told and item.ends_at > self.postponed_after


@dataclass(frozen=True)
class EndedItem:
    """An active project or AR content past its own end, to be deactivated."""

    project_id: int
    ar_content_id: int | None
    company_slug: str
    timezone: str
    """The company's."""
    project_slug: str
    ar_content_slug: str | None
    ends_at: datetime
    told: bool
    """A channel has accepted a notification of this end, or none is needed because the project is not active or its
    list of thresholds is empty."""

    @property
    def slug(self) -> str:
        return self.ar_content_slug or self.project_slug


_ENDED_OF_A_KIND = """
SELECT p.id AS project_id, {ar_content_id} AS ar_content_id, c.slug AS company_slug, c.timezone,
       p.slug AS project_slug, {ar_content_slug} AS ar_content_slug, {ends_at} AS ends_at, warned.told
FROM {items}
JOIN companies c ON c.id = p.company_id
CROSS JOIN LATERAL (
    SELECT p.status <> 'active' OR cardinality(p.notify_before_expiry_days) = 0 OR {is_warned} AS told
) warned
WHERE {is_active} AND {ends_at} <= :ended_before AND (warned.told OR {ends_at} <= :postponed_after)
ORDER BY {order}
LIMIT :limit
"""
_IS_WARNED = """EXISTS (
        SELECT FROM notifications n JOIN deliveries d ON d.notification_id = n.id
        WHERE {is_about} AND n.notification_type = 'expiring' AND n.item_ends_at = {ends_at} AND d.status = 'accepted'
    )"""
_PROJECT_IS_WARNED = of_kind(_IS_WARNED, PROJECTS)
_CONTENT_IS_WARNED = of_kind(_IS_WARNED, CONTENTS)
_ENDED = page_of(
    of_kind(
        _ENDED_OF_A_KIND,
        PROJECTS,
        is_warned=_PROJECT_IS_WARNED,
        is_active="p.status = 'active' AND NOT p.auto_renew",
    ),
    of_kind(
        _ENDED_OF_A_KIND,
        CONTENTS,
        is_warned=f"{_CONTENT_IS_WARNED} OR {TOLD_WITH_ITS_PROJECT} AND {_PROJECT_IS_WARNED}",
        is_active="a.is_active",
    ),
    limit="limit",
)


def _with_types(statement: str) -> TextClause:
    return text(statement).bindparams(
        bindparam("ended_before", type_=TIMESTAMPTZ),
        bindparam("postponed_after", type_=TIMESTAMPTZ),
        bindparam("limit", type_=BigInteger),
    )


_FIND_ENDED = _with_types(_ENDED)
_COUNT_ENDED = _with_types(count_of(_ENDED))


async def find_ended(connection: AsyncConnection, rules: DeactivationRules, limit: int | None) -> list[EndedItem]:
    """Returns the first `limit` items to deactivate, in the order of their ends. Reads only.

    It needs no cursor: deactivated items are not found again, and postponed items are never found.
    """
    rows = await connection.execute(_FIND_ENDED, _parameters(rules, limit))
    return [EndedItem(**row) for row in rows.mappings()]


async def count_ended(connection: AsyncConnection, rules: DeactivationRules) -> int:
    """Counts the items to deactivate. Reads only."""
    return int(await connection.scalar(_COUNT_ENDED, _parameters(rules, None)) or 0)


def _parameters(rules: DeactivationRules, limit: int | None) -> dict[str, object]:
    return {"ended_before": rules.ended_before, "postponed_after": rules.postponed_after, "limit": limit}


_AUTO_RENEWING = text("""
SELECT slug FROM projects WHERE status = 'active' AND auto_renew AND expires_at <= :ended_before ORDER BY expires_at, id
""").bindparams(bindparam("ended_before", type_=TIMESTAMPTZ))


async def find_auto_renewing(connection: AsyncConnection, rules: DeactivationRules) -> list[str]:
    """Returns the slugs of projects that should renew themselves but are past their end. Reads only."""
    return list(await connection.scalars(_AUTO_RENEWING, {"ended_before": rules.ended_before}))
