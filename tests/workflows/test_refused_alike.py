"""The same refusal for several recipients is one of us: others wait, one alert, and `resend` takes back the first."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from local.stand_ins.smtp_actions import Reply
from local.stand_ins.telegram_answers import chat_not_found
from tests.support.command_line import WHY, operate
from tests.support.scene import PATIENCE, Scene

PEOPLE = 8
FIRST_CHAT = 700


def address(number: int) -> str:
    return f"person{number}@company-{number}.example"


@pytest.fixture
def scene(scene: Scene) -> Scene:
    return replace(scene, settings=scene.settings.model_copy(update={"admin_email": "admin@platform.example"}))


async def become(scene: Scene, channel: str, count: int, condition: str) -> None:
    """Waits until this many deliveries of the projects fulfil the condition."""
    async with asyncio.timeout(PATIENCE):
        while (await counted(scene, channel, condition)) != count:
            await asyncio.sleep(0.05)  # a row tells nobody


async def counted(scene: Scene, channel: str, condition: str) -> int:
    rows = await scene.platform.rows(
        "SELECT d.channel FROM deliveries d JOIN notifications n ON n.id = d.notification_id "  # noqa: S608 - ours
        f"WHERE n.project_id IS NOT NULL AND {condition}"
    )
    return sum(row["channel"] == channel for row in rows)


async def subjects_of_alerts(scene: Scene) -> list[str]:
    notifications = await scene.platform.notifications()
    return [each.subject for each in notifications if each.notification_type == "alert"]


@pytest.mark.parametrize("text", ["5.1.1 <{}>: no such user", "5.0.0 refused {}", "go away, {}"])
async def test_mails_to_all_are_refused_alike_whatever_is_said(scene: Scene, text: str) -> None:
    for number in range(PEOPLE):
        scene.sink.always("rcpt", Reply(550, text.format(address(number))), recipient=address(number))
        await scene.due_project(contact_email=address(number), telegram_chat_id=None)
    async with scene.worker():
        await scene.scan()
        await become(scene, "email", 2, "d.status = 'rejected'")
        await become(scene, "email", PEOPLE - 2, "d.status = 'pending' AND d.reason = 'email_refused_alike'")
        scene.sink.clear()
        await become(scene, "email", PEOPLE - 2, "d.status = 'accepted'")
        assert await subjects_of_alerts(scene) == ["E-mail: several recipients are refused alike"]
        ended = await operate(scene, "resend", "--status", "rejected", "--since=-1h", *WHY)
        assert ended.status == 0, ended.err
        assert (len(ended.json["deliveries"]), ended.json["left"]) == (2, {})
        await scene.children_end()
    assert await counted(scene, "email", "d.status = 'accepted'") == PEOPLE
    told = sorted(mail.recipients[0] for mail in scene.sink.messages if mail.recipients[0] != "admin@platform.example")
    assert told == sorted(address(number) for number in range(PEOPLE))
    assert await scene.platform.rows("SELECT * FROM suppressions") == []


async def test_a_bot_that_knows_no_chat_ends_nobody(scene: Scene) -> None:
    """The token of another bot: every chat is "not found"."""
    for number in range(PEOPLE):
        scene.telegram.always("request", chat_not_found(), recipient=FIRST_CHAT + number)
        await scene.due_project(contact_email=None, telegram_chat_id=FIRST_CHAT + number)
    async with scene.worker():
        await scene.scan()
        await become(scene, "telegram", PEOPLE - 2, "d.status = 'pending' AND d.reason = 'telegram_refused_alike'")
        scene.telegram.clear()
        await become(scene, "telegram", PEOPLE - 2, "d.status = 'accepted'")
        assert (await operate(scene, "resend", "--channel", "telegram", "--since=-1h", *WHY)).status == 0
        await scene.children_end()
    assert len(scene.telegram.messages) == PEOPLE + len(scene.telegram.to(scene.settings.telegram_admin_chat_id or 0))
    assert await scene.platform.rows("SELECT * FROM suppressions") == []


async def test_dead_addresses_among_many_good_ones_are_dead(scene: Scene) -> None:
    for number in range(PEOPLE):
        await scene.due_project(contact_email=address(number), telegram_chat_id=None)
    async with scene.worker():
        await scene.scan()
        await scene.children_end()
        for number in range(PEOPLE, PEOPLE + 4):
            scene.sink.always("rcpt", Reply(550, "5.1.1 no such user"), recipient=address(number))
            await scene.due_project(contact_email=address(number), telegram_chat_id=None)
        await scene.scan()
        await scene.children_end()
    assert await counted(scene, "email", "d.status = 'accepted'") == PEOPLE
    assert await counted(scene, "email", "d.status = 'rejected'") == 4
    assert len(await scene.platform.rows("SELECT * FROM suppressions")) == 4


async def test_what_we_refuse_ourselves_is_no_refusal_of_us(scene: Scene) -> None:
    for number in range(4):
        await scene.due_project(contact_email=f"no address {number}", telegram_chat_id=None)
    await scene.scan_and_send()
    assert await counted(scene, "email", "d.status = 'rejected' AND d.reason = 'invalid_address'") == 4
    assert await subjects_of_alerts(scene) == []


async def test_one_mail_domain_that_refuses_all_is_recognised_among_others(scene: Scene) -> None:
    for number in range(PEOPLE):
        await scene.due_project(contact_email=address(number), telegram_chat_id=None)
    async with scene.worker():
        await scene.scan()
        await scene.children_end()
        for number in range(PEOPLE):
            person = f"person{number}@large.example"
            scene.sink.always("rcpt", Reply(550, f"<{person}> not now {number}"), recipient=person)
            await scene.due_project(contact_email=person, telegram_chat_id=None)
        await scene.scan()
        await become(scene, "email", PEOPLE - 2, "d.reason = 'email_refused_alike'")
        scene.sink.clear()
        await scene.children_end()
    assert await counted(scene, "email", "d.status = 'accepted'") == 2 * PEOPLE - 2


async def test_a_resend_by_filter_says_what_it_would_do_and_what_it_leaves(scene: Scene) -> None:
    scene.sink.always("rcpt", Reply(550, "5.2.2 mailbox full"), recipient=address(0))
    await scene.due_project(contact_email=address(0), telegram_chat_id=None)
    await scene.scan_and_send()
    shown = await operate(scene, "resend", "--reason", "smtp_rcpt_550", "--dry-run", *WHY)
    assert (shown.status, len(shown.json["deliveries"])) == (0, 1), shown.err
    assert await counted(scene, "email", "d.status = 'rejected'") == 1
    await operate(scene, "resend", "--reason", "smtp_rcpt_551", *WHY)
    assert await counted(scene, "email", "d.status = 'rejected'") == 1
    refused = await operate(scene, "resend", *WHY)
    assert (refused.status, "say which" in refused.err) == (2, True)
