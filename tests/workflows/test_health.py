"""The health check finds each thing that is wrong, alerts the operators once, and says when it is over."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

import pytest
from pydantic import SecretStr

from activities.health import api, provider
from contracts.health import HealthReport
from contracts.queues import WORKFLOWS
from local.stand_ins.http_server import Answer
from local.stand_ins.script import Hang
from local.stand_ins.smtp_actions import Reply
from local.stand_ins.smtp_sink import SmtpSink
from tests.support.health_scene import ADMIN, ADMIN_CHAT, PING_PATH, HealthScene
from tests.support.scene import PATIENCE

HOST = socket.gethostname()


async def test_all_is_well_and_nobody_is_alerted(health: HealthScene) -> None:
    async with health.worker():
        assert await health.check() == HealthReport([])
    assert await health.subjects() == []
    assert health.pages.count("/readyz") == 1
    assert health.scene.telegram.attempts("get_me") == 1
    assert health.scene.sink.attempts("ehlo") == 1
    assert health.scene.sink.messages == []


async def found_and_over(health: HealthScene, code: str, mend: Callable[[], object]) -> tuple[str, str]:
    """Checks twice, mends it, and checks until it is over. Returns the subjects of the two alerts."""
    first = await health.check()
    assert (first.problems, first.raised, first.over) == ([code], [code], [])
    second = await health.check()
    assert (second.problems, second.raised, second.over) == ([code], [], [])
    mended = mend()
    if asyncio.iscoroutine(mended):
        await mended
    third = await health.check()
    assert (third.problems, third.raised, third.over) == ([], [], [code])
    await health.scene.children_end()
    found, over = await health.subjects()
    assert over == f"Over: {found}"
    return found, over


async def test_the_mail_server_away(health: HealthScene) -> None:
    await health.scene.sink.stop()
    async with health.worker():
        found, over = await found_and_over(health, "smtp_away", health.scene.sink.start)
    assert "smtp_connect_failed" in await health.message(found)
    # The alert that it is away has waited for it, and reached the admin by Telegram at once.
    assert sorted(mail.subject for mail in health.scene.sink.to(ADMIN)) == sorted([found, over])
    assert [found in each.text for each in health.scene.telegram.to(ADMIN_CHAT)] == [True, True]


async def test_a_mail_server_that_wants_nobody_for_now(health: HealthScene) -> None:
    health.scene.sink.always("connect", Reply(421, "4.3.2 busy"))
    async with health.worker():
        await found_and_over(health, "smtp_away", health.scene.sink.clear)


async def test_a_wrong_password(health: HealthScene) -> None:
    async with SmtpSink(users={"us": "right"}) as sink:
        account: dict[str, object] = {"smtp_port": sink.port, "smtp_username": "us"}
        wrong = health.with_settings(**account, smtp_password=SecretStr("wrong"))
        async with wrong.worker():
            first = await wrong.check()
            assert (first.problems, first.raised) == (["smtp_auth_535"], ["smtp_auth_535"])
        right = health.with_settings(**account, smtp_password=SecretStr("right"))
        async with right.worker():
            await right.scene.children_end()
            assert await right.check() == HealthReport([], [], ["smtp_auth_535"])
            await right.scene.children_end()
    assert await right.subjects() == ["E-mail is refused: smtp_auth_535", "Over: E-mail is refused: smtp_auth_535"]


@pytest.mark.parametrize(("token", "code"), [("123456789:" + "x" * 35, "telegram_401"), ("no token", "telegram_404")])
async def test_a_wrong_token(health: HealthScene, token: str, code: str) -> None:
    wrong = health.with_settings(telegram_bot_token=SecretStr(token))
    async with wrong.worker():
        report = await wrong.check()
        assert (report.problems, report.raised) == ([code], [code])
        [mail] = await health.scene.sink.wait_for(1, PATIENCE)
        assert (mail.recipients, mail.subject) == ((ADMIN,), f"Telegram is refused: {code}")
    async with health.worker():
        await health.scene.children_end()  # the alert has waited for Telegram
        assert await health.check() == HealthReport([], [], [code])
        await health.scene.children_end()


async def test_telegram_away(health: HealthScene) -> None:
    await health.scene.telegram.stop()
    async with health.worker():
        found, _ = await found_and_over(health, "telegram_away", health.scene.telegram.start)
    assert "telegram_connect_error" in await health.message(found)


async def test_what_an_attempt_was_refused_lasts_until_no_message_waits_because_of_it(health: HealthScene) -> None:
    """Our sender is refused, which only a message finds out."""
    sink, scene = health.scene.sink, health.scene
    sink.always("mail", Reply(550, "5.7.1 not you"))
    await scene.due_project()
    async with health.worker():
        await scene.scan()
        async with asyncio.timeout(PATIENCE):
            while not await scene.platform.rows("SELECT code FROM problems WHERE code = 'smtp_mail_550'"):
                await asyncio.sleep(0.05)  # the database tells nobody
        report = await health.check()
        assert (report.problems, report.raised, report.over) == (["smtp_mail_550"], [], [])
        sink.clear()
        await scene.children_end()
        report = await health.check()
        assert (report.problems, report.raised, report.over) == ([], [], ["smtp_mail_550"])
        await scene.children_end()
    assert len(sink.to(ADMIN)) == 2


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (Answer(503, {"checks": {"database": "ok", "temporal": "away"}}), "api_not_ready"),
        (Answer(503, "<html>no upstream</html>"), "api_away"),
        (Answer(404), "api_away"),
    ],
)
async def test_an_api_that_does_not_answer_as_it_should(health: HealthScene, answer: Answer, code: str) -> None:
    health.pages.answers["/readyz"] = answer
    async with health.worker():
        await found_and_over(health, code, health.pages.answers.clear)


async def test_servers_that_take_the_connection_and_say_nothing(
    health: HealthScene, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (api, provider):
        monkeypatch.setattr(module, "ANSWER_WITHIN", 0.5)
    health.scene.sink.always("connect", Hang())
    health.scene.telegram.always("get_me", Hang())
    health.pages.answers["/readyz"] = Hang()
    async with health.worker():
        assert (await health.check()).problems == ["api_away", "smtp_away", "telegram_away"]
    assert "no answer within 0.5 s" in await health.message("The mail server does not answer")


async def test_tasks_that_nobody_takes(health: HealthScene) -> None:
    health = health.with_settings(queue_backlog_limit=1)
    for chat in (1, 2):
        await health.scene.due_project(telegram_chat_id=chat)
    code, subject = "queue_backlog.expiry-email", "2 tasks wait in the queue expiry-email"
    async with health.worker(WORKFLOWS, "telegram"):
        await health.scene.scan()
        await health.check_until(code, there=True)
        assert "No worker has polled this queue recently" in await health.message(subject)
        async with health.worker("email"):
            await health.scene.children_end()
            await health.check_until(code, there=False)
            await health.scene.children_end()
    assert [each for each in await health.subjects() if subject in each] == [subject, f"Over: {subject}"]


async def test_a_task_that_waits_for_long(health: HealthScene) -> None:
    health = health.with_settings(queue_age_limit=0.001)
    await health.scene.due_project()
    async with health.worker(WORKFLOWS, "telegram"):
        await health.scene.scan()
        await health.check_until("queue_backlog.expiry-email", there=True)
        async with health.worker("email"):
            await health.scene.children_end()


@pytest.mark.parametrize("what", ["disk", "memory", "cpu"])
async def test_a_host_over_its_limits(health: HealthScene, what: str) -> None:
    """A check on another host has nothing to say of it."""
    code = f"{what}.{HOST}"
    await health.scene.platform.execute(
        "INSERT INTO problems (code, subject) VALUES (:code, 'x')", code=f"{what}.elsewhere"
    )
    async with health.with_settings(**{f"{what}_limit": -1}).worker():
        report = await health.check()
        assert report.problems == [code]
    async with health.worker():
        report = await health.check()
        assert (report.problems, report.over) == ([], [code])
        await health.scene.children_end()


async def test_eight_checks_at_once_give_one_alert_and_one_that_it_is_over(health: HealthScene) -> None:
    health.pages.answers["/readyz"] = Answer(404)
    async with health.worker():
        reports = await asyncio.gather(*(health.check() for _ in range(8)))
        assert sum(len(report.raised) for report in reports) == 1
        health.pages.answers.clear()
        reports = await asyncio.gather(*(health.check() for _ in range(8)))
        assert sum(len(report.over) for report in reports) == 1
        await health.scene.children_end()
    assert await health.subjects() == ["The API does not answer", "Over: The API does not answer"]


async def test_it_is_alerted_again_after_the_cooldown_while_it_lasts(health: HealthScene) -> None:
    health.pages.answers["/readyz"] = Answer(404)
    async with health.worker():
        await health.check()
        await health.scene.platform.execute(
            "UPDATE problems SET alerted_at = now() - interval '6 hours 1 minute',"
            " since = now() - interval '6 hours 1 minute'"
        )
        assert (await health.check()).raised == ["api_away"]
        assert (await health.check()).raised == []
        await health.scene.children_end()
    assert await health.subjects() == ["The API does not answer", "Still: The API does not answer"]
    assert len(health.scene.sink.to(ADMIN)) == 2


async def test_a_channel_that_is_not_configured_is_not_looked_at(health: HealthScene) -> None:
    health = health.with_settings(smtp_host=None, admin_email=None)
    await health.scene.sink.stop()
    async with health.worker():
        assert await health.check() == HealthReport([])


async def test_the_watch_outside_is_called_when_all_is_well_and_only_then(health: HealthScene) -> None:
    async with health.worker():
        await health.check()
        assert health.pages.count(PING_PATH) == 1
        health.pages.answers["/readyz"] = Answer(404)
        await health.check()
        assert health.pages.count(PING_PATH) == 1
        await health.scene.children_end()


async def test_a_watch_that_refuses_or_is_away_is_tried_again_and_fails_nothing(health: HealthScene) -> None:
    health.pages.answers[PING_PATH] = Answer(500)
    async with health.worker():
        assert await health.check() == HealthReport([])
        assert health.pages.count(PING_PATH) == 3


async def test_no_history_holds_a_secret_or_an_address(health: HealthScene) -> None:
    health.pages.answers[PING_PATH] = Answer(500)
    health.scene.telegram.always("get_me", Answer(404))
    async with health.worker():
        refused = await health.start_check()
        await refused.result()
        health.scene.telegram.clear()
        well = await health.start_check()
        await well.result()
        await health.scene.children_end()
    histories = [await each.fetch_history() for each in (refused, well)]
    said = "".join(str(event) for history in histories for event in history.events)
    assert "telegram_404" in said
    for secret in (health.scene.telegram.token, "a-secret-of-ours", ADMIN, str(ADMIN_CHAT), health.pages.url):
        assert secret not in said


async def test_a_brake_that_holds_is_something_wrong_though_no_probe_looks_for_it(health: HealthScene) -> None:
    await health.scene.platform.execute("INSERT INTO problems (code, subject) VALUES ('scan_too_many', 'x')")
    async with health.worker():
        report = await health.check()
    assert (report.problems, report.over) == (["scan_too_many"], [])
    assert health.pages.count(PING_PATH) == 0
