"""Records the current problems, so that each is alerted once, however many processes find it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ARRAY, Interval, Text, bindparam, text
from sqlalchemy.engine import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from db.record.rules import DELIVERIES, OpenedDelivery, always_delivered, opened_deliveries

_WAS_ALERTED = text(
    "SELECT EXISTS (SELECT FROM problems WHERE code = :code AND alerted_at > now() - :cooldown)"
).bindparams(bindparam("code", type_=Text), bindparam("cooldown", type_=Interval))


async def was_alerted(connection: AsyncConnection, code: str, cooldown: timedelta) -> bool:
    """Whether an alert of the problem was opened within `cooldown`. Reads only, so it takes no lock."""
    return bool(await connection.scalar(_WAS_ALERTED, {"code": code, "cooldown": cooldown}))


_RAISE = text("""
INSERT INTO problems AS known (code, channel, subject) VALUES (:code, :channel, :subject)
ON CONFLICT (code) DO UPDATE SET channel = excluded.channel, subject = excluded.subject, alerted_at = now()
    WHERE known.alerted_at <= now() - :cooldown
RETURNING since, since < alerted_at AS again
""").bindparams(
    bindparam("code", type_=Text),
    bindparam("channel", type_=Text),
    bindparam("subject", type_=Text),
    bindparam("cooldown", type_=Interval),
)


@dataclass(frozen=True)
class Raised:
    """A problem that must be alerted now."""

    since: datetime
    again: bool
    """It was alerted before and still lasts."""


async def raise_problem(
    connection: AsyncConnection, code: str, subject: str, cooldown: timedelta, channel: str | None = None
) -> Raised | None:
    """Records the problem; `channel` is the one that it is about. None: it was alerted within `cooldown`. Of several
    simultaneous calls only one returns a value."""
    parameters = {"code": code, "channel": channel, "subject": subject, "cooldown": cooldown}
    row = (await connection.execute(_RAISE, parameters)).one_or_none()
    return None if row is None else Raised(row.since, row.again)


_END = text("DELETE FROM problems WHERE code = :code RETURNING subject, since").bindparams(
    bindparam("code", type_=Text)
)


@dataclass(frozen=True)
class Ended:
    """A problem that is over."""

    subject: str
    since: datetime


async def end_problem(connection: AsyncConnection, code: str) -> Ended | None:
    """Deletes the problem. None: it was not recorded. Of several simultaneous calls only one returns a value."""
    row = (await connection.execute(_END, {"code": code})).one_or_none()
    return None if row is None else Ended(row.subject, row.since)


_LASTING = text("SELECT code, channel, subject, since, alerted_at FROM problems ORDER BY since, code")


async def find_lasting(connection: AsyncConnection) -> Sequence[RowMapping]:
    """Returns the current problems, oldest first: `code`, `channel` (or None), `subject`, `since`, `alerted_at`."""
    return (await connection.execute(_LASTING)).mappings().all()


_FORGET = text("DELETE FROM problems WHERE alerted_at < now() - :unheard_for").bindparams(
    bindparam("unheard_for", type_=Interval)
)


async def forget(connection: AsyncConnection, unheard_for: timedelta) -> None:
    """Deletes problems that were not raised for this long, such as those of a host that is gone."""
    await connection.execute(_FORGET, {"unheard_for": unheard_for})


# A delivery's reason is that of its last attempt. MATERIALIZED, OFFSET and LIMIT keep the planner from reading the
# whole record: it reads the open notifications by their index and looks up their deliveries until it finds one.
_REFUSALS = text("""
WITH open AS MATERIALIZED (SELECT id FROM notifications WHERE status = 'open' AND started_at IS NOT NULL)
SELECT known.code, known.channel, waiting.id IS NOT NULL AS waits
FROM problems known
LEFT JOIN LATERAL (
    SELECT d.id
    FROM open CROSS JOIN LATERAL (SELECT * FROM deliveries WHERE notification_id = open.id OFFSET 0) d
    WHERE d.status IN ('pending', 'sending') AND d.reason = known.code
    LIMIT 1
) waiting ON true
WHERE known.channel IS NOT NULL AND known.code <> ALL(:away_codes)
ORDER BY known.code
""").bindparams(bindparam("away_codes", type_=ARRAY(Text)))


@dataclass(frozen=True)
class Refusal:
    """A problem that attempts have found: the provider refuses us, whatever the recipient."""

    code: str
    channel: str
    waits: bool
    """A delivery still waits because of it."""


async def find_refusals(connection: AsyncConnection, away_codes: Collection[str]) -> list[Refusal]:
    """Returns all problems about a channel, except `away_codes`, which probes find."""
    rows = await connection.execute(_REFUSALS, {"away_codes": list(away_codes)})
    return [Refusal(row.code, row.channel, row.waits) for row in rows]


@dataclass(frozen=True)
class UnstartedAlert:
    """An open alert whose workflow could not be started."""

    notification_id: int
    workflow_id: str
    give_up_at: datetime
    deliveries: list[OpenedDelivery]
    """All of its deliveries, ended ones too: their claim says that they have ended."""


_UNSTARTED = text(f"""
SELECT n.id AS notification_id, n.workflow_id, n.give_up_at, {DELIVERIES} AS deliveries
FROM notifications n
WHERE n.status = 'open' AND n.started_at IS NULL AND coalesce(n.company_id, 0) = 0
  AND n.notification_type = 'alert' AND n.created_at < now() - interval '1 minute'
ORDER BY n.id
LIMIT 100
""").bindparams(always_delivered())  # noqa: S608 - made of constants


async def find_unstarted(connection: AsyncConnection) -> list[UnstartedAlert]:
    """Returns open alerts that have had no workflow for a minute."""
    return [
        UnstartedAlert(
            notification_id=row.notification_id,
            workflow_id=row.workflow_id,
            give_up_at=row.give_up_at,
            deliveries=opened_deliveries(row.deliveries),
        )
        for row in await connection.execute(_UNSTARTED)
    ]
