"""Alerts to the operators: one for each problem however many meet it, again while it lasts, and one when it is over."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import SecretStr
from sqlalchemy.exc import InterfaceError
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.service import RPCError, RPCStatusCode

from activities.alerts import UNHEARD_FOR, Alerts
from contracts.scanning import StartableNotification
from db.engine import create_engine
from db.operators import problems as queries
from db.record.startable import mark_started
from settings import Settings
from tests.support.calling_api import NOBODY_LISTENS
from tests.support.data import Platform
from tests.support.settings_for import MakeSettings

SUBJECT = "The mail server does not answer"


class Raising(Alerts):
    """Alerts whose workflows are not started but kept in `started`, or refused while `refuses`."""

    def __init__(self, engine: AsyncEngine, settings: Settings) -> None:
        self.started: list[StartableNotification] = []
        self.refuses = False
        super().__init__(engine, settings, self._keep)

    async def _keep(self, notification: StartableNotification) -> None:
        if self.refuses:
            raise RPCError("no answer", RPCStatusCode.UNAVAILABLE, b"")
        self.started.append(notification)
        async with self._engine.begin() as connection:
            await mark_started(connection, [notification.notification_id])


@pytest.fixture
def raising(engine: AsyncEngine, make_settings: MakeSettings) -> Raising:
    admin = make_settings(admin_email="admin@own.example", telegram_admin_chat_id=4711, alert_cooldown=3600)
    return Raising(engine, admin)


async def subjects(platform: Platform) -> list[str]:
    return [each.subject for each in await platform.notifications()]


async def codes(platform: Platform) -> list[str]:
    return [row["code"] for row in await platform.rows("SELECT code FROM problems ORDER BY code")]


async def minutes_pass(platform: Platform, minutes: int) -> None:
    await platform.execute(
        "UPDATE problems SET alerted_at = alerted_at - make_interval(mins => :minutes),"
        " since = since - make_interval(mins => :minutes)",
        minutes=minutes,
    )


async def test_of_many_that_meet_a_problem_one_alerts(raising: Raising, platform: Platform) -> None:
    opened = await asyncio.gather(*(raising.raise_problem("smtp_away", SUBJECT, "x") for _ in range(8)))
    assert sum(opened) == 1
    assert await subjects(platform) == [SUBJECT]


async def test_of_many_that_find_it_over_one_says_so(raising: Raising, platform: Platform) -> None:
    await raising.alert("smtp_away", SUBJECT, "x")
    said = await asyncio.gather(*(raising.end_problem("smtp_away") for _ in range(8)))
    assert sum(said) == 1
    assert await subjects(platform) == [SUBJECT, f"Over: {SUBJECT}"]
    assert await codes(platform) == []


async def test_of_many_that_find_it_lasting_after_a_while_one_alerts_again(
    raising: Raising, platform: Platform
) -> None:
    await raising.alert("smtp_away", SUBJECT, "See to it.")
    await raising.alert("smtp_away", SUBJECT, "See to it.")
    assert len(await platform.notifications()) == 1
    await minutes_pass(platform, 61)
    opened = await asyncio.gather(*(raising.raise_problem("smtp_away", SUBJECT, "See to it.") for _ in range(8)))
    assert sum(opened) == 1
    [_, again] = await platform.notifications()
    since = await platform.scalar("SELECT since FROM problems")
    assert again.subject == f"Still: {SUBJECT}"
    assert again.message == f"See to it.\n\nOngoing since {since:%Y-%m-%d %H:%M} UTC.\n"


async def test_another_problem_is_alerted_too(raising: Raising, platform: Platform) -> None:
    for code in ("smtp_away", "telegram_away"):
        await raising.alert(code, f"About {code}", "x")
    assert await codes(platform) == ["smtp_away", "telegram_away"]
    assert await subjects(platform) == ["About smtp_away", "About telegram_away"]


async def test_what_was_never_alerted_is_not_over(raising: Raising, platform: Platform) -> None:
    await raising.withdraw("smtp_away")
    assert await platform.notifications() == []


async def test_raised_over_and_raised_again_at_once_it_is_three_alerts(raising: Raising, platform: Platform) -> None:
    await raising.alert("smtp_away", SUBJECT, "x")
    await raising.withdraw("smtp_away")
    await raising.alert("smtp_away", SUBJECT, "x")
    assert await subjects(platform) == [SUBJECT, f"Over: {SUBJECT}", SUBJECT]
    assert [each.notification_id for each in raising.started] == [each.id for each in await platform.notifications()]


async def test_an_alert_is_started_and_bears_its_problem(raising: Raising, platform: Platform) -> None:
    await raising.alert("disk.host-1", "The disk is full", "Make room.")
    await raising.withdraw("disk.host-1")
    alert, over = await platform.notifications()
    assert alert.workflow_id.startswith("alert.disk.host-1.")
    assert over.workflow_id.startswith("alert.disk.host-1.over.")
    for each in (alert, over):
        assert (each.notification_type, each.metadata["problem"]) == ("alert", "disk.host-1")
        assert each.started_at is not None
    assert {(each.channel, each.status) for each in await platform.deliveries()} == {
        ("email", "pending"),
        ("telegram", "pending"),
    }


async def test_one_whose_workflow_could_not_be_started_is_started_later(raising: Raising, platform: Platform) -> None:
    raising.refuses = True
    await raising.alert("smtp_away", SUBJECT, "x")
    raising.refuses = False
    await raising.start_unstarted()
    assert raising.started == []  # it may just be on its way
    await platform.execute("UPDATE notifications SET created_at = now() - interval '2 minutes'")
    await raising.start_unstarted()
    await raising.start_unstarted()
    [alert] = await platform.notifications()
    assert [each.workflow_id for each in raising.started] == [alert.workflow_id]
    assert alert.started_at is not None


async def test_what_could_not_be_written_down_is_over_once_however_often_it_is_told(
    raising: Raising, platform: Platform
) -> None:
    until = datetime.now(UTC)
    for _ in range(2):
        await raising.end_unrecorded("database", "The database does not answer", until - timedelta(hours=1), until)
    assert await subjects(platform) == ["Over: The database does not answer"]
    assert await codes(platform) == []


async def test_what_nobody_raises_again_is_forgotten_without_a_word(
    raising: Raising, platform: Platform, engine: AsyncEngine
) -> None:
    await raising.alert("disk.host-that-is-gone", "x", "x")
    await minutes_pass(platform, int(UNHEARD_FOR.total_seconds() // 60) + 1)
    await raising.alert("smtp_away", SUBJECT, "x")
    async with engine.begin() as connection:
        await queries.forget(connection, UNHEARD_FOR)
    assert await codes(platform) == ["smtp_away"]
    assert await subjects(platform) == ["x", SUBJECT]


async def test_with_the_database_away_who_alerts_goes_on_and_who_has_to_know_hears_of_it(
    settings: Settings,
) -> None:
    away = settings.model_copy(update={"database_url": SecretStr(f"postgresql://u:p@{NOBODY_LISTENS}/x")})
    engine = create_engine(away, "test", pooled=False)
    raising = Raising(engine, away)
    await raising.alert("smtp_away", SUBJECT, "x")
    await raising.withdraw("smtp_away")
    with pytest.raises((OSError, InterfaceError)):
        await raising.raise_problem("smtp_away", SUBJECT, "x")
    assert raising.started == []


async def test_a_cooldown_is_counted_from_the_last_alert(engine: AsyncEngine, platform: Platform) -> None:
    hour = timedelta(hours=1)
    async with engine.begin() as connection:
        first = await queries.raise_problem(connection, "smtp_away", SUBJECT, hour)
        assert first is not None
        assert not first.again
        assert await queries.was_alerted(connection, "smtp_away", hour)
    await minutes_pass(platform, 61)
    async with engine.begin() as connection:
        assert not await queries.was_alerted(connection, "smtp_away", hour)
        second = await queries.raise_problem(connection, "smtp_away", SUBJECT, hour)
    assert second is not None
    assert second.again
