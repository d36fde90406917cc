"""What the health check finds in the record: a pause, doubts, what does not move, and who was not told."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from activities.health.findings import Findings
from activities.health.ledger import look_at_ledger
from activities.schedule_times import predicted_scan
from db.items import untold
from settings import Settings
from tests.support.data import Platform, in_days
from tests.support.health_scene import HealthScene


async def look(engine: AsyncEngine, settings: Settings) -> Findings:
    async with engine.begin() as connection:
        return await look_at_ledger(connection, settings, predicted_scan(settings, datetime.now(UTC)))


def codes(findings: Findings) -> list[str]:
    return [problem.code for problem in findings.problems]


async def notice(platform: Platform, ends_in_days: float = 3, **values: Any) -> int:
    project = await platform.project(await platform.company(), expires_at=in_days(ends_in_days))
    return await platform.notification(project, **values)


async def test_a_pause_is_not_forgotten(health: HealthScene) -> None:
    platform = health.scene.platform
    await platform.execute("INSERT INTO pauses (operator, why) VALUES ('anna', 'the texts are wrong')")
    async with health.worker():
        assert (await health.check()).problems == ["paused"]
        await platform.execute("UPDATE pauses SET resumed_at = now(), resumed_by = 'anna'")
        assert (await health.check()).over == ["paused"]
        await health.scene.children_end()
    assert "UTC: the texts are wrong" in await health.message("Sending is paused")


async def test_a_long_stop_by_the_provider_is_told_and_a_short_one_is_not(health: HealthScene) -> None:
    platform = health.scene.platform
    await platform.execute(
        "INSERT INTO channel_stops (channel, until) VALUES ('telegram', now() + interval '1 day'),"
        " ('sms', now() + interval '1 minute')"
    )
    async with health.worker():
        assert (await health.check()).problems == ["channels_stopped"]
        await platform.execute("UPDATE channel_stops SET until = now()")
        assert (await health.check()).over == ["channels_stopped"]
    message = await health.message("No message goes out by telegram for a time")
    assert "- telegram: until " in message
    assert "sms" not in message


async def test_a_delivery_in_doubt_until_it_is_decided(health: HealthScene) -> None:
    platform = health.scene.platform
    await notice(platform, status="in_doubt", started_at=in_days(0))
    await platform.execute("UPDATE deliveries SET status = 'unknown' WHERE channel = 'telegram'")
    async with health.with_settings(untold_within=1).worker():
        assert (await health.check()).problems == ["deliveries_in_doubt"]
        await platform.execute("UPDATE deliveries SET status = 'accepted' WHERE status = 'unknown'")
        assert (await health.check()).over == ["deliveries_in_doubt"]
    assert "cli.py deliveries --status unknown" in await health.message("1 delivery is in doubt")


SENDING = "UPDATE deliveries SET status = 'sending', sending_at = now() - interval '{}' WHERE channel = '{}'"
STARTED = "UPDATE notifications SET started_at = now() - interval '1 day', created_at = now() - interval '1 day'"
UNSTARTED = "UPDATE notifications SET created_at = now() - interval '{}'"
PAST_END = "UPDATE notifications SET give_up_at = now() - interval '{}'"


@pytest.mark.parametrize(
    "done",
    [
        [STARTED, SENDING.format("42 minutes", "email")],
        [STARTED, SENDING.format("13 minutes", "telegram")],
        [STARTED, PAST_END.format("16 minutes")],
        [PAST_END.format("16 minutes")],
        [UNSTARTED.format("121 minutes")],
    ],
)
async def test_what_does_not_move_is_found(
    platform: Platform, engine: AsyncEngine, settings: Settings, done: list[str]
) -> None:
    await notice(platform)
    for statement in done:
        await platform.execute(statement)
    findings = await look(engine, settings)
    assert codes(findings) == ["deliveries_stuck"]
    assert findings.problems[0].subject == "1 notification is stuck"


@pytest.mark.parametrize(
    "done",
    [
        [],
        [STARTED],
        [STARTED, SENDING.format("41 minutes", "email")],
        [STARTED, SENDING.format("11 minutes", "telegram")],
        [STARTED, PAST_END.format("14 minutes")],
        [UNSTARTED.format("119 minutes")],
        [PAST_END.format("1 day"), "UPDATE notifications SET status = 'undelivered'"],
    ],
)
async def test_what_is_under_way_is_no_problem(
    platform: Platform, engine: AsyncEngine, settings: Settings, done: list[str]
) -> None:
    await notice(platform)
    for statement in done:
        await platform.execute(statement)
    assert codes(await look(engine, settings.model_copy(update={"untold_within": 1}))) == []


QUIET_NOW = """
UPDATE companies SET quiet_from = (now() AT TIME ZONE timezone - interval '2 hours')::time,
                     quiet_until = (now() AT TIME ZONE timezone + interval '2 hours')::time
"""
QUIET_UNTIL_JUST_NOW = """
UPDATE companies SET quiet_from = (now() AT TIME ZONE timezone - interval '2 hours')::time,
                     quiet_until = (now() AT TIME ZONE timezone - interval '5 minutes')::time
"""
PAUSED = "INSERT INTO pauses (operator, why) VALUES ('anna', 'x')"
RESUMED_JUST_NOW = """
INSERT INTO pauses (operator, why, paused_at, resumed_at) VALUES ('anna', 'x', now() - interval '1 day', now())
"""


@pytest.mark.parametrize("held", [QUIET_NOW, QUIET_UNTIL_JUST_NOW, PAUSED, RESUMED_JUST_NOW])
@pytest.mark.parametrize(
    "done", [[UNSTARTED.format("1 day")], [STARTED, SENDING.format("1 day", "email")]], ids=["not started", "in flight"]
)
async def test_what_waits_for_a_quiet_time_or_a_pause_is_no_problem(
    platform: Platform, engine: AsyncEngine, settings: Settings, held: str, done: list[str]
) -> None:
    await notice(platform)
    for statement in (held, *done):
        await platform.execute(statement)
    assert "deliveries_stuck" not in codes(await look(engine, settings))


@pytest.mark.parametrize("kind", ["alert", "test"])
async def test_a_quiet_time_is_no_excuse_for_what_it_does_not_hold(
    platform: Platform, engine: AsyncEngine, settings: Settings, kind: str
) -> None:
    await notice(platform, notification_type=kind)
    for statement in (QUIET_NOW, UNSTARTED.format("1 day")):
        await platform.execute(statement)
    assert codes(await look(engine, settings)) == ["deliveries_stuck"]


@pytest.mark.parametrize(
    ("code", "channel"),
    [("smtp_mail_550", "email"), ("telegram_401", "telegram"), ("unsubscribe_secret_missing", "email")],
)
async def test_what_attempts_have_met_lasts_while_a_message_waits_because_of_it(
    platform: Platform, engine: AsyncEngine, settings: Settings, code: str, channel: str
) -> None:
    await notice(platform, started_at=in_days(0))
    await platform.execute(
        "INSERT INTO problems (code, channel, subject) VALUES (:code, :channel, 'x')", code=code, channel=channel
    )
    await platform.execute("UPDATE deliveries SET reason = :code", code=code)
    assert codes(await look(engine, settings)) == [code]
    await platform.execute("UPDATE deliveries SET status = 'failed'")
    await platform.execute("UPDATE notifications SET status = 'undelivered'")
    findings = await look(engine, settings.model_copy(update={"untold_within": 1}))
    assert codes(findings) == []
    assert code in findings.examined


async def ended(platform: Platform, notification_id: int, status: str, email: str, telegram: str) -> None:
    """The notification has ended so; both channels with the status, and the reason after a colon."""
    await platform.execute(
        "UPDATE notifications SET status = :status, finished_at = now(), started_at = now() WHERE id = :id",
        status=status,
        id=notification_id,
    )
    for channel, end in (("email", email), ("telegram", telegram)):
        how, _, reason = end.partition(":")
        await platform.execute(
            "UPDATE deliveries SET status = :how, reason = nullif(:reason, '')"
            " WHERE notification_id = :id AND channel = :channel",
            how=how,
            reason=reason,
            id=notification_id,
            channel=channel,
        )


async def why(engine: AsyncEngine, days: float = 3) -> list[tuple[str, str | None, str | None]]:
    async with engine.connect() as connection:
        found = await untold.list_untold(connection, timedelta(days=days))
    return [(item.why, item.channels.get("email"), item.channels.get("telegram")) for item in found]


REFUSED = ("undelivered", "rejected:smtp_rcpt_550", "skipped:no_address")


async def test_nobody_was_told_since_every_channel_refused(
    platform: Platform, engine: AsyncEngine, settings: Settings
) -> None:
    await ended(platform, await notice(platform, 2), *REFUSED)
    assert await why(engine) == [("undelivered", "smtp_rcpt_550", "no_address")]
    findings = await look(engine, settings)
    assert codes(findings) == ["untold_items"]
    assert findings.problems[0].subject == "1 item ends or has ended without an accepted notification"
    slug = await platform.scalar("SELECT slug FROM projects")
    assert f"- {slug}: undelivered" in findings.problems[0].message


async def test_it_is_over_when_one_channel_has_accepted(health: HealthScene) -> None:
    platform = health.scene.platform
    await ended(platform, await notice(platform, 2), *REFUSED)
    async with health.worker():
        assert (await health.check()).problems == ["untold_items"]
        await platform.execute("UPDATE deliveries SET status = 'accepted' WHERE channel = 'email'")
        assert (await health.check()).over == ["untold_items"]


async def test_an_alert_names_ten_and_counts_the_rest(
    platform: Platform, engine: AsyncEngine, settings: Settings
) -> None:
    for _ in range(12):
        await ended(platform, await notice(platform, 2), *REFUSED)
    [problem] = (await look(engine, settings)).problems
    assert problem.subject == "12 items end or have ended without an accepted notification"
    assert problem.message.count("\n- ") + 1 == 10
    assert "... and 2 more" in problem.message


async def test_what_is_tried_still_is_listed_and_no_problem(
    platform: Platform, engine: AsyncEngine, settings: Settings
) -> None:
    earlier = await notice(platform, 2)
    await ended(platform, earlier, *REFUSED)
    project = await platform.scalar("SELECT id FROM projects")
    await platform.notification(project, threshold_days=1)
    assert await why(engine) == [("open", "pending", "pending")]
    assert codes(await look(engine, settings)) == []


async def test_in_doubt_is_as_good_as_not_told(platform: Platform, engine: AsyncEngine, settings: Settings) -> None:
    await ended(platform, await notice(platform, 2), "in_doubt", "failed:gave_up", "unknown:in_doubt")
    assert await why(engine) == [("in_doubt", "gave_up", "in_doubt")]
    assert codes(await look(engine, settings)) == ["untold_items", "deliveries_in_doubt"]


async def test_an_earlier_notice_that_was_accepted_told_of_the_end(platform: Platform, engine: AsyncEngine) -> None:
    await ended(platform, await notice(platform, 2), "delivered", "accepted", "skipped:no_address")
    project = await platform.scalar("SELECT id FROM projects")
    await ended(platform, await platform.notification(project, threshold_days=1), *REFUSED)
    assert await why(engine) == []


async def test_a_notice_of_an_end_before_the_renewal_told_nothing_of_this_one(
    platform: Platform, engine: AsyncEngine
) -> None:
    await ended(platform, await notice(platform, 2), "delivered", "accepted", "accepted")
    await platform.execute("UPDATE projects SET expires_at = expires_at + interval '1 hour'")
    assert await why(engine) == [("no notification", None, None)]


@pytest.mark.parametrize(("hours", "found"), [(0.5, ["untold_items"]), (47, [])])
async def test_without_a_notice_it_is_a_problem_once_no_scan_comes_in_time(
    platform: Platform, engine: AsyncEngine, settings: Settings, hours: float, found: list[str]
) -> None:
    """A scan comes once a day, and takes its hour."""
    await platform.project(await platform.company(), expires_at=in_days(hours / 24))
    assert await why(engine) == [("no notification", None, None)]
    assert codes(await look(engine, settings)) == found


async def test_what_is_never_to_be_told_is_listed_and_no_problem(
    platform: Platform, engine: AsyncEngine, settings: Settings
) -> None:
    await platform.project(await platform.company(), expires_at=in_days(0.01), notify_before_expiry_days=[])
    assert await why(engine) == [("never to be told", None, None)]
    assert codes(await look(engine, settings)) == []


async def test_what_has_ended_and_is_still_on_is_listed(
    platform: Platform, engine: AsyncEngine, settings: Settings
) -> None:
    await platform.project(await platform.company(), expires_at=in_days(-5))
    assert await why(engine) == [("no notification", None, None)]
    assert codes(await look(engine, settings)) == ["untold_items"]


@pytest.mark.parametrize(
    "project",
    [{"status": "expired"}, {"status": "archived"}, {"auto_renew": True}, {"expires_at": in_days(4)}],
    ids=["expired", "archived", "renews itself", "later"],
)
async def test_nobody_has_to_be_told(platform: Platform, engine: AsyncEngine, project: dict[str, Any]) -> None:
    await platform.project(await platform.company(), **({"expires_at": in_days(1)} | project))
    assert await why(engine) == []


@pytest.mark.parametrize(
    ("project", "content", "found"),
    [
        ({"expires_at": in_days(30)}, {"expires_at": in_days(2)}, 1),
        ({"expires_at": in_days(30), "auto_renew": True}, {"expires_at": in_days(2)}, 1),
        ({"expires_at": in_days(30)}, {"expires_at": in_days(2), "is_active": False}, 0),
        ({"expires_at": in_days(30), "status": "archived"}, {"expires_at": in_days(2)}, 0),
        ({"expires_at": in_days(30)}, {"expires_at": None}, 0),
    ],
    ids=["own end", "project renews itself", "switched off", "project archived", "ends with its project"],
)
async def test_ar_content_with_a_warning_of_its_own(
    platform: Platform, engine: AsyncEngine, project: dict[str, Any], content: dict[str, Any], found: int
) -> None:
    company = await platform.company()
    await platform.content(company, await platform.project(company, **project), **content)
    assert len(await why(engine)) == found


async def test_ar_content_that_ends_on_its_projects_last_day_is_told_with_it(
    platform: Platform, engine: AsyncEngine
) -> None:
    company = await platform.company()
    end = in_days(2).replace(hour=12)
    project = await platform.project(company, expires_at=end)
    await platform.content(company, project, expires_at=end - timedelta(hours=1))
    assert len(await why(engine)) == 1  # the project


async def test_a_notice_about_the_content_tells_nothing_of_the_project_and_the_other_way_round(
    platform: Platform, engine: AsyncEngine
) -> None:
    company, end = await platform.company(), in_days(2)
    project = await platform.project(company, expires_at=end)
    content = await platform.content(company, project, expires_at=end - timedelta(days=1.5))
    of_content = await platform.notification(project, ar_content_id=content, item_ends_at=end - timedelta(days=1.5))
    await ended(platform, of_content, "delivered", "accepted", "accepted")
    assert await why(engine) == [("no notification", None, None)]
    await ended(platform, await platform.notification(project), "delivered", "accepted", "accepted")
    assert await why(engine) == []
