"""How many notices may be in flight, in all and per company, and whose turn it is."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine

from contracts.sending import DeliveryToSend
from db.record.startable import find_startable, mark_started
from tests.support.data import Platform, in_days


async def opened(platform: Platform, company: int, count: int, **values: Any) -> list[int]:
    """Open notifications of a company, the first one's end being the nearest."""
    project = await platform.project(company)
    first = in_days(1)
    return [
        await platform.notification(project, **{"give_up_at": first + timedelta(hours=number)} | values)
        for number in range(count)
    ]


async def startable(
    engine: AsyncEngine, limit: int = 100, in_all: int = 100, per_company: int = 100
) -> tuple[list[int], int]:
    async with engine.connect() as connection:
        found = await find_startable(
            connection,
            limit,
            in_all,
            per_company,
            lambda _type, _company, deliveries: [DeliveryToSend(each.delivery_id, each.channel) for each in deliveries],
        )
    return [each.notification_id for each in found.notifications], found.waiting


async def start(engine: AsyncEngine, *notification_ids: int) -> None:
    async with engine.begin() as connection:
        await mark_started(connection, notification_ids)


async def test_companies_take_turns_the_most_urgent_first(engine: AsyncEngine, platform: Platform) -> None:
    """A backlog of one company does not stand before another company's first notice."""
    big = await opened(platform, await platform.company(), 3)
    small = await opened(platform, await platform.company(), 1, give_up_at=in_days(2))
    urgent = await opened(platform, await platform.company(), 2, give_up_at=in_days(0.5))
    assert await startable(engine) == ([urgent[0], big[0], small[0], urgent[1], big[1], big[2]], 0)


async def test_a_batch_is_no_larger_than_asked_for_and_tells_how_many_wait(
    engine: AsyncEngine, platform: Platform
) -> None:
    ids = await opened(platform, await platform.company(), 5)
    assert await startable(engine, limit=2) == (ids[:2], 3)


async def test_what_is_in_flight_takes_room_in_all(engine: AsyncEngine, platform: Platform) -> None:
    first = await opened(platform, await platform.company(), 2)
    second = await opened(platform, await platform.company(), 3)
    await start(engine, *first)
    assert await startable(engine, in_all=4) == (second[:2], 1)
    assert await startable(engine, in_all=2) == ([], 1)


async def test_a_company_at_its_limit_waits_while_others_go_on(engine: AsyncEngine, platform: Platform) -> None:
    full = await opened(platform, await platform.company(), 4)
    other = await opened(platform, await platform.company(), 1)
    await start(engine, *full[:2])
    assert await startable(engine, per_company=2) == (other, 2)
    assert await startable(engine, per_company=3) == ([other[0], full[2]], 1)


async def test_what_waits_after_an_attempt_takes_no_room(engine: AsyncEngine, platform: Platform) -> None:
    """A mail server that greylists everybody does not stop the scan."""
    tried, untried, waiting = await opened(platform, await platform.company(), 3)
    await start(engine, tried, untried)
    assert await startable(engine, in_all=2) == ([], 1)
    await platform.execute(
        "UPDATE deliveries SET claim_seq = 1 WHERE notification_id = :id AND channel = 'email'", id=tried
    )
    assert await startable(engine, in_all=2) == ([waiting], 0)


async def test_what_has_ended_takes_no_room_and_is_not_started(engine: AsyncEngine, platform: Platform) -> None:
    ended, started, waiting = await opened(platform, await platform.company(), 3)
    await start(engine, started)
    await platform.execute("UPDATE notifications SET status = 'delivered' WHERE id < :id", id=waiting)
    assert ended < started < waiting
    assert await startable(engine, in_all=1) == ([waiting], 0)


async def test_notices_without_a_company_are_counted_together(engine: AsyncEngine, platform: Platform) -> None:
    """Tests of an operator's, say."""
    ids = await opened(platform, await platform.company(), 3, company_id=None)
    await start(engine, ids[0])
    assert await startable(engine, per_company=2) == ([ids[1]], 1)


async def test_with_nothing_open_nothing_waits(engine: AsyncEngine) -> None:
    assert await startable(engine) == ([], 0)


async def test_marked_twice_the_first_start_counts(engine: AsyncEngine, platform: Platform) -> None:
    [notification] = await opened(platform, await platform.company(), 1)
    await start(engine, notification)
    [before] = await platform.notifications()
    await start(engine, notification)
    assert [before] == await platform.notifications()
