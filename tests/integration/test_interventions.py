"""`resolve`, `resend`, `suppressions` and `unsuppress`: through the command line, to what the receiving side sees."""

from __future__ import annotations

from typing import Any

import pytest

from local.stand_ins.script import AcceptThenReset
from local.stand_ins.smtp_actions import Reply
from local.stand_ins.telegram_answers import blocked, server_error
from tests.support.command_line import WHY, delivery_id, operate
from tests.support.scene import CHAT, EMAIL, PATIENCE, Scene


async def interventions(scene: Scene) -> list[Any]:
    return [
        (row["action"], row["operator"], row["why"], row["before"].get("status", row["before"].get("reason")))
        for row in await scene.platform.rows("SELECT * FROM interventions ORDER BY id")
    ]


@pytest.fixture
async def in_doubt(scene: Scene) -> Scene:
    """Telegram took the message and its answer got lost; there is no e-mail."""
    scene.telegram.on("request", AcceptThenReset())
    await scene.due_project(contact_email=None)
    await scene.scan_and_send()
    assert await scene.ends() == ("in_doubt", "skipped", "unknown")
    return scene


async def test_a_doubt_is_taken_for_accepted_on_an_operators_word(in_doubt: Scene) -> None:
    ended = await operate(in_doubt, "resolve", await delivery_id(in_doubt, "telegram"), "--accepted", *WHY)
    assert (ended.status, ended.json["status"]) == (0, "accepted"), ended.err
    assert await in_doubt.ends() == ("delivered", "skipped", "accepted")
    assert (await in_doubt.delivery("telegram")).reason == "confirmed_by_operator"
    assert await interventions(in_doubt) == [("resolve-accepted", "anna", "they rang", "unknown")]
    assert len(in_doubt.telegram.messages) == 1


async def test_a_doubt_is_sent_again_and_marked(in_doubt: Scene) -> None:
    async with in_doubt.worker():
        ended = await operate(in_doubt, "resolve", await delivery_id(in_doubt, "telegram"), "--resend", *WHY)
        assert ended.status == 0, ended.err
        await in_doubt.children_end()
    assert len(in_doubt.telegram.to(CHAT)) == 2
    assert await in_doubt.ends() == ("delivered", "skipped", "accepted")
    assert (await in_doubt.delivery("telegram")).possible_duplicate
    assert await interventions(in_doubt) == [("resolve-resend", "anna", "they rang", "unknown")]


async def test_after_an_address_was_corrected_the_mail_is_sent_once(scene: Scene) -> None:
    scene.sink.always("rcpt", Reply(550, "5.2.2 mailbox full"), recipient=EMAIL)
    await scene.due_project()
    await scene.scan_and_send()
    assert await scene.ends() == ("delivered", "rejected", "accepted")
    await scene.platform.readdress("email", "new@customer.example")
    async with scene.worker():
        ended = await operate(scene, "resend", await delivery_id(scene, "email"), *WHY)
        assert ended.status == 0, ended.err
        await scene.children_end()
    assert [mail.recipients for mail in scene.sink.messages] == [("new@customer.example",)]
    assert len(scene.telegram.messages) == 1
    email = await scene.delivery("email")
    assert (email.status, email.attempts, email.possible_duplicate) == ("accepted", 2, False)
    assert (await scene.notification()).status == "delivered"


async def test_a_mail_is_sent_again_while_the_other_channel_is_still_being_tried(scene: Scene) -> None:
    """The workflow that waits for Telegram takes it up at once."""
    scene.sink.on("rcpt", Reply(550, "5.2.2 mailbox full"))
    scene.telegram.always("request", server_error())
    await scene.due_project()
    async with scene.worker():
        await scene.scan()
        await scene.delivery_becomes("email", "rejected")
        child = await scene.child()
        run_id = (await child.describe()).run_id
        ended = await operate(scene, "resend", await delivery_id(scene, "email"), *WHY)
        assert ended.status == 0, ended.err
        await scene.sink.wait_for(1, PATIENCE)
        assert scene.telegram.messages == []
        scene.telegram.clear()
        await scene.children_end()
    assert (len(scene.sink.messages), len(scene.telegram.messages)) == (1, 1)
    assert (await child.describe()).run_id == run_id
    assert await scene.ends() == ("delivered", "accepted", "accepted")


async def test_what_was_reopened_and_not_started_is_sent_by_the_next_scan(scene: Scene) -> None:
    scene.sink.on("rcpt", Reply(550, "5.2.2 mailbox full"))
    await scene.due_project()
    await scene.scan_and_send()
    email = await scene.delivery("email")
    await scene.platform.reopen_email(started=False)
    await scene.scan_and_send()
    assert len(scene.sink.messages) == 1
    assert await scene.ends() == ("delivered", "accepted", "accepted")
    assert (await scene.delivery("email")).attempts == email.attempts + 1


async def test_a_chat_that_is_gone_is_switched_off_seen_and_switched_on_again(scene: Scene) -> None:
    scene.telegram.on("request", blocked())
    await scene.due_project()
    await scene.scan_and_send()
    assert await scene.ends() == ("delivered", "accepted", "rejected")
    [suppression] = (await operate(scene, "suppressions")).json["items"]
    company = await scene.platform.scalar("SELECT slug FROM companies")
    assert (suppression["channel"], suppression["address"], suppression["reason"], suppression["companies"]) == (
        "telegram",
        str(CHAT),
        "telegram_blocked",
        [company],
    )

    telegram = await delivery_id(scene, "telegram")
    refused = await operate(scene, "resend", telegram, *WHY)
    assert (refused.status, f"unsuppress telegram {CHAT}" in refused.err) == (1, True)
    await scene.platform.project(await scene.platform.scalar("SELECT id FROM companies"))
    await scene.scan_and_send()
    *_, second = await scene.platform.deliveries("telegram")
    assert (second.status, second.reason) == ("skipped", "suppressed")
    assert scene.telegram.messages == []

    lifted = await operate(scene, "unsuppress", "telegram", str(CHAT), *WHY)
    assert lifted.status == 0, lifted.err
    assert (await operate(scene, "suppressions")).json["items"] == []
    assert await interventions(scene) == [("unsuppress", "anna", "they rang", "telegram_blocked")]
    async with scene.worker():
        assert (await operate(scene, "resend", telegram, *WHY)).status == 0
        await scene.children_end()
    assert len(scene.telegram.messages) == 1


async def test_a_mailbox_that_does_not_exist_is_switched_off(scene: Scene) -> None:
    scene.sink.on("rcpt", Reply(550, "5.1.1 no such user"))
    await scene.due_project(contact_email="Anna@Customer.example")
    await scene.scan_and_send()
    [row] = await scene.platform.rows("SELECT channel, address, reason FROM suppressions")
    assert tuple(row.values()) == ("email", "anna@customer.example", "smtp_rcpt_550")


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("resend", "9999"), "there is no delivery 9999"),
        (("resend", "EMAIL"), "it was accepted: the recipient would get it twice"),
        (("resolve", "EMAIL", "--accepted"), "only an unknown delivery can be resolved"),
        (("resend", "TELEGRAM"), "it is in doubt: use `resolve --resend`"),
        (("unsuppress", "email", "nobody@customer.example"), "email nobody@customer.example is not suppressed"),
        (("unsuppress", "telegram", "-1001234567890123"), "telegram -1001234567890123 is not suppressed"),
    ],
)
async def test_what_makes_no_sense_is_refused_and_changes_nothing(
    scene: Scene, arguments: tuple[str, ...], line: str
) -> None:
    scene.telegram.on("request", AcceptThenReset())
    await scene.due_project()
    await scene.scan_and_send()
    before = await scene.platform.deliveries()
    ids = {channel.upper(): await delivery_id(scene, channel) for channel in ("email", "telegram")}
    ended = await operate(scene, *(ids.get(argument, argument) for argument in arguments), *WHY)
    assert (ended.status, ended.out, ended.err.count("\n")) == (1, "", 1)
    assert line in ended.err
    assert await scene.platform.deliveries() == before
    assert await interventions(scene) == []


async def test_a_warning_of_what_has_ended_is_not_sent_again(scene: Scene) -> None:
    scene.sink.on("rcpt", Reply(550, "5.2.2 mailbox full"))
    await scene.due_project()
    await scene.scan_and_send()
    await scene.platform.execute("UPDATE notifications SET item_ends_at = now() - interval '1 minute'")
    ended = await operate(scene, "resend", await delivery_id(scene, "email"), *WHY)
    assert (ended.status, "it is too late to warn of the end" in ended.err) == (1, True)
