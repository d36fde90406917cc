"""Every answer of a mail server at every stage, asserted on what the server holds in the end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from pydantic import SecretStr

from local.stand_ins.script import AcceptThenReset, Hang, Reset
from local.stand_ins.smtp_actions import CloseAfter, EndlessReply, Reply, SmtpAction, Stage
from local.stand_ins.smtp_sink import SmtpSink
from tests.faults.ledger import ENDED, Ledger
from tests.support.scene import EMAIL, PATIENCE, Scene

ONE, MARKED, TWO_MARKED = (1, False), (1, True), (2, True)
"""Copies that the server holds, and whether the record marks a possible duplicate."""
NONE = (0, False)
MECHANISMS = 2
"""PLAIN and LOGIN: the client tries both."""


@pytest.fixture
async def scene(scene: Scene) -> AsyncIterator[Scene]:
    """With a mail server that wants a login, and an attempt that is not waited for for long."""
    async with SmtpSink(users={"notices": "secret"}, auth_required=True) as sink:
        settings = scene.settings.model_copy(
            update={
                "smtp_port": sink.port,
                "smtp_username": "notices",
                "smtp_password": SecretStr("secret"),
                "email_attempt_timeout": 2.0,
            }
        )
        yield replace(scene, sink=sink, settings=settings)


def replies(*stages: Stage) -> list[tuple[Stage, SmtpAction]]:
    texts = {4: Reply(451, "4.3.0 not now"), 5: Reply(554, "5.7.0 never")}
    return [(stage, texts[kind]) for stage in stages for kind in (4, 5)]


WAITS_AND_IS_ACCEPTED: list[tuple[Stage, SmtpAction]] = [
    ("connect", Reply(421, "4.3.2 busy")),
    *replies("connect", "ehlo", "auth", "mail", "rcpt", "data", "dot"),
    *((stage, CloseAfter(Reply(421, "4.3.2 closing"))) for stage in ("mail", "rcpt", "data", "dot")),
    *((stage, Reset()) for stage in ("connect", "ehlo", "auth", "mail", "rcpt", "data")),
    *((stage, Hang()) for stage in ("connect", "ehlo", "auth", "mail", "rcpt", "data")),
    *((stage, EndlessReply()) for stage in ("ehlo", "mail", "rcpt", "data")),
]
DOUBTFUL: list[tuple[Stage, SmtpAction, tuple[int, bool]]] = [
    ("dot", Reset(), MARKED),
    ("dot", AcceptThenReset(), TWO_MARKED),
    ("dot", Hang(), MARKED),
    ("dot", EndlessReply(), MARKED),
    ("reply", Reset(), TWO_MARKED),
    ("reply", Hang(), TWO_MARKED),
    ("reply", EndlessReply(), TWO_MARKED),
]
REJECTED: list[tuple[Stage, SmtpAction]] = [(stage, Reply(554, "5.6.0 never")) for stage in ("rcpt", "data", "dot")]


def named(action: SmtpAction) -> str:
    match action:
        case Reply():
            return str(action)
        case CloseAfter(reply):
            return f"{reply}, then closed"
    return type(action).__name__


async def run(scene: Scene, ledger: Ledger, stage: Stage, action: SmtpAction) -> tuple[str, tuple[int, bool]]:
    """One notice whose mail meets the action once."""
    scene.sink.on(stage, *[action] * (MECHANISMS if stage == "auth" else 1))
    await scene.due_project()
    await scene.scan_and_send()
    assert scene.sink.attempts(stage) >= 1
    observed = await ledger.observe(scene, named(action), "email", f"SMTP {stage}")
    email = await scene.delivery("email")
    assert {mail.message_id for mail in scene.sink.messages} <= {email.provider_id}
    assert len(scene.telegram.messages) == 1
    return observed.outcome, (observed.copies, email.possible_duplicate)


@pytest.mark.parametrize(("stage", "action"), WAITS_AND_IS_ACCEPTED, ids=str)
async def test_before_anything_was_handed_over_it_waits_and_is_accepted_once(
    scene: Scene, ledger: Ledger, stage: Stage, action: SmtpAction
) -> None:
    assert await run(scene, ledger, stage, action) == ("accepted", ONE)


@pytest.mark.parametrize(("stage", "action", "copies"), DOUBTFUL, ids=str)
async def test_after_the_text_it_is_sent_again_with_the_same_message_id_and_marked(
    scene: Scene, ledger: Ledger, stage: Stage, action: SmtpAction, copies: tuple[int, bool]
) -> None:
    assert await run(scene, ledger, stage, action) == ("accepted", copies)


@pytest.mark.parametrize(("stage", "action"), REJECTED, ids=str)
async def test_refused_for_good_it_ends_rejected(
    scene: Scene, ledger: Ledger, stage: Stage, action: SmtpAction
) -> None:
    assert await run(scene, ledger, stage, action) == ("rejected", NONE)


async def test_nobody_listens_for_a_while(scene: Scene, ledger: Ledger) -> None:
    await scene.sink.stop()
    await scene.due_project()
    async with scene.worker():
        await scene.scan()
        await scene.telegram.wait_for(1, PATIENCE)
        async with asyncio.timeout(PATIENCE):
            while (await scene.delivery("email")).reason != "smtp_connect_failed":
                await asyncio.sleep(0.05)  # the database tells nobody
        await scene.sink.start()
        await scene.children_end()
    observed = await ledger.observe(scene, "connection refused", "email", "SMTP connect")
    assert (observed.outcome, observed.copies) == ("accepted", 1)


async def test_an_address_that_the_server_cannot_take_is_rejected_and_nobody_is_alerted(
    scene: Scene, ledger: Ledger
) -> None:
    """Letters beyond ASCII need SMTPUTF8 (RFC 6531)."""
    async with SmtpSink(users={"notices": "secret"}, smtputf8=False) as sink:
        scene = replace(scene, sink=sink).with_settings(smtp_port=sink.port)
        await scene.due_project(contact_email="jösé@customer.example")
        await scene.scan_and_send()
        observed = await ledger.observe(scene, "no SMTPUTF8", "email", "before MAIL")
        assert sink.attempts("mail") == 0
    assert (observed.outcome, observed.copies) == ("rejected", 0)
    assert (await scene.delivery("email")).reason == "invalid_address"
    assert len(await scene.platform.notifications()) == 1


async def test_a_wrong_password_fails_nobodys_notice_and_alerts_once(scene: Scene, ledger: Ledger) -> None:
    """The operator mends the password while three notices wait."""
    scene = scene.with_settings(smtp_password=SecretStr("wrong"), telegram_admin_chat_id=4711)
    for _ in range(3):
        await scene.due_project()
    async with scene.worker():
        await scene.scan()
        async with asyncio.timeout(PATIENCE):
            while len(scene.telegram.to(4711)) < 1 or scene.sink.attempts("auth") < 9:
                await asyncio.sleep(0.05)  # the stand-in counts them
        ended = [each for each in await scene.platform.deliveries("email") if each.status in ENDED]
        assert [each.reason for each in ended] == ["not_requested"]  # the alert's: there is no admin address
    assert scene.sink.messages == []
    async with scene.with_settings(smtp_password=SecretStr("secret")).worker():
        await scene.children_end()
    observed = await ledger.observe(scene, "535 for three notices", "email", "SMTP auth")
    assert (observed.outcome, observed.copies) == ("3 accepted", 3)
    assert [mail.recipients for mail in scene.sink.messages] == [(EMAIL,)] * 3
    [alert] = scene.telegram.to(4711)
    assert "smtp_auth_535" in alert.text
