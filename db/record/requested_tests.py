"""Who asked for which test notification: for limits across all API processes, and one answer to repeated requests."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import BigInteger, Interval, Text, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.record.rules import DELIVERIES, OpenedDelivery, always_delivered, opened_deliveries

REMEMBERED_FOR = timedelta(hours=24)
"""How long a repeated request gets the same answer."""
LIMITED_WITHIN = timedelta(hours=1)
"""The time within which requests are counted."""

ACTION = "test"
"""As the table `interventions` has it."""

_LOCK = text("SELECT pg_advisory_xact_lock(4215909)")

_FORGET = text("DELETE FROM requested_tests WHERE created_at <= now() - :remembered_for").bindparams(
    bindparam("remembered_for", type_=Interval)
)

_FIND = text(f"""
SELECT r.fingerprint, n.id AS notification_id, n.workflow_id, n.give_up_at,
       n.status <> 'open' OR n.started_at IS NOT NULL AS started, {DELIVERIES} AS deliveries
FROM requested_tests r JOIN notifications n ON n.id = r.notification_id
WHERE r.api_key = :api_key AND r.idempotency_key = :idempotency_key
""").bindparams(  # noqa: S608 - made of constants
    always_delivered(), bindparam("api_key", type_=Text), bindparam("idempotency_key", type_=Text)
)

_COUNT = text("""
SELECT count(*) FILTER (WHERE n.status = 'open') AS waiting,
       count(*) FILTER (WHERE r.created_at > now() - :within) AS in_all,
       count(*) FILTER (WHERE r.created_at > now() - :within AND r.api_key = :api_key) AS of_key,
       min(r.created_at) FILTER (WHERE r.created_at > now() - :within) + :within - now() AS all_free_in,
       min(r.created_at) FILTER (WHERE r.created_at > now() - :within AND r.api_key = :api_key) + :within - now()
           AS key_free_in
FROM requested_tests r JOIN notifications n ON n.id = r.notification_id
""").bindparams(bindparam("within", type_=Interval), bindparam("api_key", type_=Text))

_ADD = text("""
WITH noted AS (
    INSERT INTO interventions (action, operator, why, delivery_id)
    SELECT :action, :actor, :why, min(id) FROM deliveries WHERE notification_id = :notification_id
)
INSERT INTO requested_tests (api_key, idempotency_key, fingerprint, notification_id)
VALUES (:api_key, :idempotency_key, :fingerprint, :notification_id)
""").bindparams(
    bindparam("action", ACTION, type_=Text),
    bindparam("why", "a test notification", type_=Text),
    bindparam("actor", type_=Text),
    bindparam("api_key", type_=Text),
    bindparam("idempotency_key", type_=Text),
    bindparam("fingerprint", type_=Text),
    bindparam("notification_id", type_=BigInteger),
)

_EXISTS = text("SELECT EXISTS (SELECT FROM notifications WHERE id = :notification_id)").bindparams(
    bindparam("notification_id", type_=BigInteger)
)


@dataclass(frozen=True)
class KnownRequest:
    """An earlier request with the same idempotency key, and its notification."""

    fingerprint: str
    notification_id: int
    workflow_id: str
    give_up_at: datetime
    started: bool
    """Whether its workflow was started, as far as the record knows."""
    deliveries: list[OpenedDelivery]


@dataclass(frozen=True)
class Usage:
    """What was asked for within LIMITED_WITHIN, and what waits. The times say how soon the oldest stops counting."""

    waiting: int
    in_all: int
    of_key: int
    all_free_in: timedelta | None
    key_free_in: timedelta | None


async def take_turn(connection: AsyncConnection) -> None:
    """Lets one request at a time count and add, until its transaction ends. Forgets what is older than
    REMEMBERED_FOR."""
    await connection.execute(_LOCK)
    await connection.execute(_FORGET, {"remembered_for": REMEMBERED_FOR})


async def find(connection: AsyncConnection, api_key: str, idempotency_key: str) -> KnownRequest | None:
    """Returns the request that came with this key before."""
    row = (await connection.execute(_FIND, {"api_key": api_key, "idempotency_key": idempotency_key})).one_or_none()
    if row is None:
        return None
    return KnownRequest(
        fingerprint=row.fingerprint,
        notification_id=row.notification_id,
        workflow_id=row.workflow_id,
        give_up_at=row.give_up_at,
        started=row.started,
        deliveries=opened_deliveries(row.deliveries),
    )


async def count(connection: AsyncConnection, api_key: str) -> Usage:
    """Counts the requests of this key, and of all."""
    row = (await connection.execute(_COUNT, {"api_key": api_key, "within": LIMITED_WITHIN})).mappings().one()
    return Usage(**row)


async def add(
    connection: AsyncConnection,
    api_key: str,
    idempotency_key: str | None,
    fingerprint: str,
    notification_id: int,
    actor: str,
) -> None:
    """Adds a request, and records who made it. Raises `IntegrityError` if the idempotency key is in use. Withdrawing
    the notification removes the request; that somebody made it stays recorded."""
    await connection.execute(
        _ADD,
        {
            "api_key": api_key,
            "idempotency_key": idempotency_key,
            "fingerprint": fingerprint,
            "notification_id": notification_id,
            "actor": actor,
        },
    )


async def is_recorded(connection: AsyncConnection, notification_id: int) -> bool:
    """Whether the notification was not withdrawn."""
    return bool(await connection.scalar(_EXISTS, {"notification_id": notification_id}))
