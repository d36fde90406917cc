"""What a provider says is not trusted: it is made clean and cut, and no history and no log shows a person in it."""

from __future__ import annotations

import asyncio

import pytest

from local.stand_ins.http_server import Answer
from local.stand_ins.smtp_actions import Reply
from local.stand_ins.smtp_actions import Stage as SmtpStage
from local.stand_ins.telegram_answers import failure
from local.stand_ins.telegram_api import Stage as TelegramStage
from runtime.cleaning import LONGEST_REPLY
from tests.support.scene import PATIENCE, Scene
from tests.workflows.test_database_away import until_both_channels_ended_or_are_tried_again

BYTE = "\udcee"
"""The byte 0xEE, which is not UTF-8."""


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        (f"5.1.1 <b{BYTE}b@customer.example>: unknown", "550 5.1.1 <b\ufffdb@customer.example>: unknown"),
        ("5.1.1 no\x00body", "550 5.1.1 no body"),
        ("5.1.1 one\n5.1.1 two\x1b[2J", "550 5.1.1 one 5.1.1 two [2J"),
    ],
    ids=["not_utf_8", "nul", "controls"],
)
async def test_a_refusal_with_bytes_that_cannot_be_stored_ends_the_delivery(scene: Scene, text: str, kept: str) -> None:
    scene.sink.on("rcpt", Reply(550, text))
    await scene.due_project(telegram_chat_id=None)
    await scene.scan_and_send()

    assert await scene.ends() == ("undelivered", "rejected", "skipped")
    email = await scene.delivery("email")
    assert (email.reason, email.provider_reply, email.attempts) == ("smtp_rcpt_550", kept, 1)
    assert await scene.platform.scalar("SELECT provider_reply FROM suppressions") == kept


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        (f"2.0.0 accept{BYTE}", "250 2.0.0 accept\ufffd"),
        ("2.0.0 queued\x00 as 7", "250 2.0.0 queued as 7"),
        (f"2.0.0 {BYTE * 900}\n{'x' * 900}", f"250 2.0.0 {chr(0xFFFD) * 900} {'x' * 88}…"),
    ],
    ids=["not_utf_8", "nul", "long"],
)
async def test_an_acceptance_with_bytes_that_cannot_be_stored_is_one(scene: Scene, text: str, kept: str) -> None:
    scene.sink.on("reply", Reply(250, text))
    await scene.due_project(telegram_chat_id=None)
    await scene.scan_and_send()

    assert len(scene.sink.messages) == 1
    assert await scene.ends() == ("delivered", "accepted", "skipped")
    email = await scene.delivery("email")
    assert (email.provider_reply, email.possible_duplicate, email.attempts) == (kept, False, 1)
    assert len(email.provider_reply) <= LONGEST_REPLY


@pytest.mark.parametrize("stage", ["connect", "ehlo", "mail", "rcpt", "data", "dot"])
async def test_a_refusal_for_now_with_such_bytes_is_tried_again(scene: Scene, stage: str) -> None:
    scene.sink.on(stage, Reply(451, f"4.3.0 not \x00now {BYTE}"))  # type: ignore[arg-type]
    await scene.due_project(telegram_chat_id=None)
    await scene.scan_and_send()

    assert await scene.ends() == ("delivered", "accepted", "skipped")
    email = await scene.delivery("email")
    assert (email.attempts, email.possible_duplicate) == (2, False)


@pytest.mark.parametrize("text", ["x" * 3_000_000, "\n".join(["5.1.1 x"] * 100_000)], ids=["one_line", "many_lines"])
async def test_a_reply_of_megabytes_is_read_to_a_limit(scene: Scene, text: str) -> None:
    """It is no reply of SMTP: nothing of it is kept, and the connection is not used again."""
    scene.sink.on("rcpt", Reply(550, text))
    await scene.due_project(telegram_chat_id=None)
    await scene.scan_and_send()

    assert await scene.ends() == ("delivered", "accepted", "skipped")
    email = await scene.delivery("email")
    assert (email.attempts, email.possible_duplicate) == (2, False)
    assert scene.sink.connections_opened == 2


@pytest.mark.parametrize(
    ("body", "kept"),
    [
        ({"description": "Forbidden: bot was blocked by the user\x00\ud83d"}, "bot was blocked by the user \ufffd"),
        ({"description": "Forbidden: bot was blocked by the user" + "x" * 900_000}, "bot was blocked by the userx"),
        (
            {"description": "Forbidden: bot was blocked by the user", "parameters": {"retry_after": [1]}},
            "bot was blocked by the user",
        ),
        (
            b'{"ok":false,"error_code":403,"description":"Forbidden: bot was blocked by the user \xee"}',
            "blocked by the user \ufffd",
        ),
    ],
    ids=["nul_and_surrogate", "long", "absurd_parameters", "not_utf_8"],
)
async def test_telegrams_refusal_ends_the_delivery_whatever_is_in_it(scene: Scene, body: object, kept: str) -> None:
    if isinstance(body, dict):
        body = {"ok": False, "error_code": 403, **body}
    scene.telegram.on("request", Answer(403, body))
    await scene.due_project(contact_email=None)
    await scene.scan_and_send()

    assert await scene.ends() == ("undelivered", "skipped", "rejected")
    telegram = await scene.delivery("telegram")
    assert telegram.reason == "telegram_blocked"
    assert kept in telegram.provider_reply
    assert len(telegram.provider_reply) <= LONGEST_REPLY


@pytest.mark.parametrize(
    "body",
    [
        b"x" * 3_000_000,
        b"[" * 100_000,
        b'{"ok":false,"error_code":502,"description":' + b"9" * 5000 + b"}",
        b'{"ok":false,"error_code":502,"description":"x","parameters":{"retry_after":1e999}}',
        b'{"ok":false,"error_code":502,"description":"x","parameters":{"retry_after":1' + b"0" * 400 + b"}}",
        b"\x1f\x8b\x08\x00",
    ],
    ids=["3_mb", "deep", "long_number", "infinite", "long_wait", "compressed"],
)
async def test_an_answer_of_a_proxy_is_read_to_a_limit_and_tried_again(scene: Scene, body: bytes) -> None:
    headers = {"Content-Encoding": "gzip"} if body.startswith(b"\x1f") else {}
    scene.telegram.on("request", Answer(502, body, headers))
    await scene.due_project(contact_email=None)
    await scene.scan_and_send()

    assert await scene.ends() == ("delivered", "skipped", "accepted")
    assert len(scene.telegram.messages) == 1


PERSON = "beate.boite@customer.example"
PHONE = "+49 30 901820"
WORDS = f"<{PERSON}> call {PHONE}\x00"


async def everything_seen(scene: Scene, logged: str) -> bytes:
    """All histories and all that was logged, as bytes."""
    assert "activity_completed" in logged
    seen = logged.encode()
    async for execution in scene.client.list_workflows():
        history = await scene.history(execution.id, execution.run_id)
        seen += b"".join(event.SerializeToString() for event in history.events)
    return seen


def names_nobody(seen: bytes) -> bool:
    return not any(part in seen for part in (b"beate", b"boite", b"901820", b"call "))


@pytest.mark.parametrize(
    ("mail", "message"),
    [
        (Reply(550, f"5.1.1 {WORDS}"), failure(403, f"Forbidden: bot was blocked by the user {WORDS}")),
        (Reply(552, f"5.3.4 {WORDS}"), failure(400, f"Bad Request: {WORDS}")),
        (Reply(451, f"4.3.0 {WORDS}"), failure(500, WORDS)),
    ],
    ids=["gone", "rejected", "for_now"],
)
@pytest.mark.parametrize("away", [False, True], ids=["database_there", "database_away"])
async def test_no_history_and_no_log_shows_the_person_in_a_refusal(
    scene_on_own_postgres: Scene, capfd: pytest.CaptureFixture[str], mail: Reply, message: Answer, *, away: bool
) -> None:
    scene = scene_on_own_postgres
    scene.sink.on("dot", mail)
    scene.telegram.on("request", message)
    await answered(scene, "dot", "request", away=away)

    assert names_nobody(await everything_seen(scene, "".join(capfd.readouterr())))
    for delivery in await scene.platform.deliveries():
        assert delivery.status in ("rejected", "accepted")
        if delivery.status == "rejected":
            kept = (PERSON in delivery.provider_reply, "text of the reply not kept" in delivery.provider_reply)
            assert kept == (not away, away)
            assert delivery.provider_reply.startswith(("550 5.", "552 5.", "403 ", "400 "))


@pytest.mark.parametrize("away", [False, True], ids=["database_there", "database_away"])
async def test_no_history_and_no_log_shows_the_person_in_an_acceptance(
    scene_on_own_postgres: Scene, capfd: pytest.CaptureFixture[str], *, away: bool
) -> None:
    scene = scene_on_own_postgres
    scene.sink.on("reply", Reply(250, f"2.0.0 queued for {WORDS}"))
    await answered(scene, "reply", "reply", away=away)

    assert names_nobody(await everything_seen(scene, "".join(capfd.readouterr())))
    assert await scene.ends() == ("delivered", "accepted", "accepted")
    email, telegram = await scene.delivery("email"), await scene.delivery("telegram")
    assert telegram.provider_id == str(scene.telegram.messages[0].message_id)
    assert (email.possible_duplicate, telegram.possible_duplicate) == (False, False)
    assert email.provider_reply.startswith("250 2.0.0 ")
    assert (PERSON in email.provider_reply) is not away


async def answered(scene: Scene, mail_stage: SmtpStage, message_stage: TelegramStage, *, away: bool) -> None:
    """One notification whose answers come, perhaps while the database is away, and which then ends."""
    mail, message = scene.sink.hold(mail_stage), scene.telegram.hold(message_stage)
    await scene.due_project()
    async with scene.worker():
        await scene.scan()
        await asyncio.wait_for(mail.reached.wait(), PATIENCE)
        await asyncio.wait_for(message.reached.wait(), PATIENCE)
        child = await scene.child()
        if away:
            await scene.postgres.stop()
        mail.release()
        message.release()
        if away:
            await until_both_channels_ended_or_are_tried_again(child)
            await scene.postgres.start()
        await scene.children_end()
