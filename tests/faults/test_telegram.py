"""Every answer of Telegram's, asserted on what its stand-in holds in the end."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from channels.base import TryAgain
from channels.telegram import bot_api
from local.stand_ins import telegram_answers as answers
from local.stand_ins.http_server import Answer
from local.stand_ins.script import AcceptThenReset, Hang, Reset
from local.stand_ins.telegram_answers import SlowDrip, TelegramAction
from tests.faults.ledger import ENDED, Ledger
from tests.support.scene import CHAT, PATIENCE, Scene

SUPERGROUP = -1001234567890123


def page(status: int, body: str = "<html><title>Access denied</title></html>") -> Answer:
    """What a proxy, a firewall or a gateway before Telegram answers."""
    return Answer(status, body, {"Content-Type": "text/html"})


WAITS_AND_IS_ACCEPTED: dict[str, TelegramAction] = {
    "429 with retry_after 1": answers.too_many_requests(1),
    "429 without retry_after": answers.failure(429, "Too Many Requests"),
    "429 with an absurd retry_after": answers.too_many_requests(10**9),
    "429 with a negative retry_after": answers.too_many_requests(-5),
    "500": answers.server_error(500),
    "502 with HTML": answers.bad_gateway_html(),
    "503": answers.server_error(503),
    **{f"a proxy's {status} page": page(status) for status in (400, 401, 403, 404, 407, 413, 429, 451)},
    "400 with a text": page(400, "Bad Request: chat not found"),
    "403 without a body": page(403, ""),
    "403 whose error_code is text": page(403, '{"ok":false,"error_code":"403","description":"Forbidden"}'),
    "403 without a description": page(403, '{"ok":false,"error_code":403}'),
    "403 whose ok is a number": page(403, '{"ok":0,"error_code":403,"description":"bot was kicked"}'),
    "403 in an array": page(403, '[{"ok":false,"error_code":403,"description":"bot was kicked"}]'),
    "401": answers.unauthorized(),
    "404": answers.not_found(),
    "400 migrate_to_chat_id": answers.migrated(SUPERGROUP),
}
SWITCHES_OFF: dict[str, TelegramAction] = {
    "403 blocked": answers.blocked(),
    "403 deactivated": answers.deactivated(),
    "403 kicked": answers.kicked(),
    "400 chat not found": answers.chat_not_found(),
    "403 the group chat was deleted": answers.failure(403, "Forbidden: the group chat was deleted"),
}
REJECTED: dict[str, TelegramAction] = {
    "400 message is too long": answers.bad_request("message is too long"),
    "400 can't parse entities": answers.bad_request("can't parse entities"),
    "403 something new": answers.failure(403, "Forbidden: something new"),
    "200 with a refusal": Answer(200, {"ok": False, "error_code": 403, "description": "Forbidden: something new"}),
    "400 migrate_to_chat_id 0": answers.migrated(0),
    "400 migrate_to_chat_id of a person": answers.migrated(5),
    "400 migrate_to_chat_id beyond 52 bits": answers.migrated(-(2**60)),
}
DOUBTFUL: dict[str, tuple[str, TelegramAction, int]] = {
    "reset without an answer": ("request", Reset(), 0),
    "accepted, answer lost": ("request", AcceptThenReset(), 1),
    "silence": ("request", Hang(), 0),
    "accepted, then silence": ("reply", Hang(), 1),
    "slow-drip answer": ("request", SlowDrip(0.2), 1),
    "malformed JSON": ("reply", answers.malformed_json(), 1),
    "200 with HTML": ("reply", Answer(200, "<html>"), 1),
    "200 whose ok is a number": ("reply", Answer(200, '{"ok":1,"result":{"message_id":1}}'), 1),
    "502 that says ok": ("reply", Answer(502, {"ok": True, "result": {"message_id": 1}}), 1),
}


async def run(
    scene: Scene, ledger: Ledger, fault: str, action: TelegramAction, stage: Any = "request"
) -> tuple[str, int]:
    """One notice whose message meets the action once."""
    scene = scene.with_settings(telegram_attempt_timeout=2.0)
    scene.telegram.on(stage, action)
    await scene.due_project()
    await scene.scan_and_send()
    observed = await ledger.observe(scene, fault, "telegram", f"Telegram {stage}")
    assert not (await scene.delivery("telegram")).possible_duplicate
    assert len(scene.sink.messages) == 1
    return observed.outcome, observed.copies


@pytest.mark.parametrize("fault", WAITS_AND_IS_ACCEPTED)
async def test_it_waits_and_is_accepted_once(scene: Scene, ledger: Ledger, fault: str) -> None:
    assert await run(scene, ledger, fault, WAITS_AND_IS_ACCEPTED[fault]) == ("accepted", 1)
    assert await scene.platform.rows("SELECT * FROM suppressions") == []


@pytest.mark.parametrize("fault", SWITCHES_OFF)
async def test_a_chat_that_is_gone_is_rejected_and_used_no_more(scene: Scene, ledger: Ledger, fault: str) -> None:
    assert await run(scene, ledger, fault, SWITCHES_OFF[fault]) == ("rejected", 0)
    [suppression] = await scene.platform.rows("SELECT address, reason FROM suppressions")
    assert suppression == {"address": str(CHAT), "reason": (await scene.delivery("telegram")).reason}


@pytest.mark.parametrize("fault", REJECTED)
async def test_what_the_table_does_not_know_is_rejected_and_the_chat_stays(
    scene: Scene, ledger: Ledger, fault: str
) -> None:
    assert await run(scene, ledger, fault, REJECTED[fault]) == ("rejected", 0)
    assert await scene.platform.rows("SELECT * FROM suppressions") == []
    assert (await scene.delivery("telegram")).recipient == str(CHAT)
    assert await scene.platform.scalar("SELECT address FROM contacts WHERE channel = 'telegram'") == str(CHAT)


@pytest.mark.parametrize("fault", DOUBTFUL)
async def test_once_written_and_without_an_answer_it_ends_unknown_and_is_not_sent_again(
    scene: Scene, ledger: Ledger, fault: str
) -> None:
    stage, action, copies = DOUBTFUL[fault]
    assert await run(scene, ledger, fault, action, stage) == ("unknown", copies)
    assert scene.telegram.attempts("request") == 1


async def test_with_resend_in_doubt_a_copy_is_sent_and_marked(scene: Scene, ledger: Ledger) -> None:
    scene = scene.with_settings(telegram_in_doubt="resend")
    scene.telegram.on("request", AcceptThenReset())
    await scene.due_project()
    await scene.scan_and_send()
    observed = await ledger.observe(scene, "answer lost, TELEGRAM_IN_DOUBT=resend", "telegram", "Telegram request")
    assert (observed.outcome, observed.copies, observed.unmarked_doubles) == ("accepted", 2, 0)
    assert (await scene.delivery("telegram")).possible_duplicate


async def test_a_proxys_page_alerts_once_and_does_not_keep_its_text(scene: Scene, ledger: Ledger) -> None:
    """The page shows the URL it refuses, and the URL contains the token."""
    scene = scene.with_settings(admin_email="admin@own.example")
    scene.telegram.always("request", page(403, f"<html>refused: /bot{scene.telegram.token}/sendMessage"))
    for _ in range(3):
        await scene.due_project()
    async with scene.worker():
        await scene.scan()
        await scene.sink.wait_for(4, PATIENCE)  # three notices and the alert
        async with asyncio.timeout(PATIENCE):
            while len(waiting := await refused(scene)) < 3:
                await asyncio.sleep(0.05)  # the database tells nobody
        assert {each.status for each in waiting} == {"pending"}
        assert {each.provider_reply for each in waiting} == {"403 (not an answer of the Bot API)"}
        scene.telegram.clear()
        await scene.children_end()
    observed = await ledger.observe(scene, "a proxy's page for three notices", "telegram", "Telegram request")
    assert (observed.outcome, observed.copies) == ("3 accepted", 3)
    [alert] = scene.sink.to("admin@own.example")
    assert "telegram_not_telegram" in alert.subject
    assert await scene.platform.rows("SELECT * FROM suppressions") == []


async def refused(scene: Scene) -> list[Any]:
    deliveries = await scene.platform.deliveries("telegram")
    return [each for each in deliveries if each.reason == "telegram_not_telegram"]


async def test_a_wait_beyond_the_deadline_ends_at_once_and_honestly(scene: Scene, ledger: Ledger) -> None:
    """A day is more than this notification has: it is not tried before the time that Telegram named."""
    scene = scene.with_settings(give_up_after=3600.0)
    scene.telegram.on("request", answers.too_many_requests(86_400))
    await scene.due_project()
    await scene.scan_and_send()
    observed = await ledger.observe(scene, "429 with a day's retry_after", "telegram", "Telegram request")
    assert (observed.outcome, observed.copies) == ("failed", 0)
    assert (await scene.delivery("telegram")).reason == "telegram_429"
    assert scene.telegram.attempts("request") == 1


async def test_a_long_wait_within_the_deadline_is_obeyed(scene: Scene) -> None:
    before = datetime.now(UTC)
    scene.telegram.on("request", answers.too_many_requests(40_000))
    await scene.due_project()
    async with scene.worker():
        await scene.scan()
        waiting = await scene.put_off("telegram", "telegram_429")
    next_attempt = waiting.scheduled_time.ToDatetime(UTC)
    assert next_attempt >= before + timedelta(seconds=40_000)
    assert scene.telegram.attempts("request") == 1


async def test_a_moved_group_gets_a_test_too(scene: Scene, ledger: Ledger) -> None:
    """A test's chat stands in the notification itself, so that the new id is saved there."""
    scene.telegram.always("request", answers.migrated(SUPERGROUP), recipient=CHAT)
    project = await scene.due_project(contact_email=None, telegram_enabled=True)
    await scene.platform.notification(project, metadata_={"telegram_recipient": str(CHAT)})
    await scene.platform.execute("UPDATE contacts SET address = NULL, address_key = NULL WHERE channel = 'telegram'")
    await scene.scan_and_send()
    observed = await ledger.observe(scene, "migrated, chat in the notification", "telegram", "Telegram request")
    assert (observed.outcome, observed.copies) == ("accepted", 1)
    assert [message.chat_id for message in scene.telegram.messages] == [SUPERGROUP]


async def test_nobody_listens_for_a_while(scene: Scene, ledger: Ledger) -> None:
    await scene.telegram.stop()
    await scene.due_project()
    async with scene.worker():
        await scene.scan()
        async with asyncio.timeout(PATIENCE):
            while (await scene.delivery("telegram")).reason != "telegram_connect_error":
                await asyncio.sleep(0.05)  # the database tells nobody
        await scene.telegram.start()
        await scene.children_end()
    observed = await ledger.observe(scene, "connection refused", "telegram", "Telegram request")
    assert (observed.outcome, observed.copies) == ("accepted", 1)


async def test_a_revoked_token_fails_nobodys_notice_and_alerts_once(scene: Scene, ledger: Ledger) -> None:
    """The operator enters the new token while three notices wait."""
    old = scene.settings.telegram_bot_token
    scene = scene.with_settings(telegram_bot_token=SecretStr("123456789:" + "x" * 35), admin_email="admin@own.example")
    for _ in range(3):
        await scene.due_project()
    async with scene.worker():
        await scene.scan()
        await scene.sink.wait_for(4, PATIENCE)  # three notices and the alert
        ended = [each for each in await scene.platform.deliveries("telegram") if each.status in ENDED]
        assert [each.reason for each in ended] == ["not_requested"]  # the alert's: there is no admin chat
    async with scene.with_settings(telegram_bot_token=old).worker():
        await scene.children_end()
    observed = await ledger.observe(scene, "401 for three notices", "telegram", "Telegram request")
    assert (observed.outcome, observed.copies) == ("3 accepted", 3)
    [alert] = scene.sink.to("admin@own.example")
    assert "telegram_401" in alert.subject


async def test_a_token_file_that_cannot_be_read_fails_nobodys_notice(
    scene: Scene, ledger: Ledger, tmp_path: Path
) -> None:
    file = tmp_path / "token"
    assert scene.settings.telegram_bot_token is not None
    token = scene.settings.telegram_bot_token.get_secret_value()
    scene = scene.with_settings(telegram_bot_token=None, telegram_bot_token_file=file)
    await scene.due_project()
    async with scene.worker():
        await scene.scan()
        async with asyncio.timeout(PATIENCE):
            while (await scene.delivery("telegram")).reason != "telegram_bot_token_unreadable":
                await asyncio.sleep(0.05)  # the database tells nobody
        file.write_text(token)
        await scene.children_end()
    observed = await ledger.observe(scene, "token file unreadable", "telegram", "before the request")
    assert (observed.outcome, observed.copies) == ("accepted", 1)


async def test_a_proxy_that_refuses_leaves_no_doubt(scene: Scene) -> None:
    """Its CONNECT is no request of ours: nothing is marked in flight by it."""
    marked: list[bool] = []

    async def mark() -> None:
        marked.append(True)

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(refuse, "127.0.0.1", 0) as proxy:
        port = proxy.sockets[0].getsockname()[1]
        async with httpx.AsyncClient(proxy=f"http://127.0.0.1:{port}") as client:
            with pytest.raises(TryAgain, match="telegram_proxy_error"):
                await bot_api.send(client, "https://api.telegram.example", "1:x", CHAT, "Soon", mark)
    assert marked == []


async def test_a_429_for_one_chat_stops_no_other(scene: Scene, ledger: Ledger) -> None:
    scene.telegram.always("request", answers.too_many_requests(3), recipient=CHAT)
    await scene.due_project()
    for number in range(3):
        await scene.due_project(telegram_chat_id=100 + number)
    async with scene.worker():
        await scene.scan()
        await scene.telegram.wait_for(3, PATIENCE)
        assert scene.telegram.to(CHAT) == []
        scene.telegram.clear()
        await scene.children_end()
    observed = await ledger.observe(scene, "429 for one chat of four", "telegram", "Telegram request")
    assert (observed.outcome, observed.copies) == ("4 accepted", 4)
