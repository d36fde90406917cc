"""What Postfix answers to one notice, and what becomes of it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.mta.greylisting import greylisting
from tests.mta.postfix import StartPostfix
from tests.mta.postfix_config import NOBODY
from tests.support.scene import EMAIL, PATIENCE, Scene

pytestmark = pytest.mark.mta

MORE_THAN_ANY_DISK = str(2**62)


async def test_a_greylisted_mail_is_delivered_once_when_it_comes_again(
    scene: Scene, start_postfix: StartPostfix, tmp_path: Path
) -> None:
    async with greylisting(tmp_path / "postgrey") as parameters:
        postfix = await start_postfix(**parameters)
        scene = scene.with_settings(**postfix.client())
        await scene.due_project()
        await scene.scan_and_send()
        [mail] = await postfix.mails()

    delivery = await scene.delivery("email")
    assert (mail.recipient, mail.message_id) == (EMAIL, delivery.provider_id)
    assert "postgrey" in mail.message["X-Greylist"]
    refusals = await postfix.logged(f"450 4.2.0 <{EMAIL}>: Recipient address rejected: Greylisted")
    assert (delivery.status, delivery.attempts, delivery.possible_duplicate) == ("accepted", refusals + 1, False)


async def test_an_unknown_recipient_is_rejected_at_once(scene: Scene, start_postfix: StartPostfix) -> None:
    postfix = await start_postfix()
    scene = scene.with_settings(**postfix.client())
    await scene.due_project(contact_email=f"anna@{NOBODY}")
    await scene.scan_and_send()

    delivery = await scene.delivery("email")
    assert (delivery.status, delivery.reason, delivery.attempts) == ("rejected", "smtp_rcpt_550", 1)
    assert delivery.provider_reply.startswith("550 5.1.1 ")
    assert await scene.ends() == ("delivered", "rejected", "accepted")
    assert await postfix.mails() == []


async def test_a_mail_that_is_too_big_for_the_server_is_rejected_at_once(
    scene: Scene, start_postfix: StartPostfix
) -> None:
    postfix = await start_postfix(message_size_limit="1000")
    scene = scene.with_settings(**postfix.client())
    await scene.due_project()
    await scene.scan_and_send()

    delivery = await scene.delivery("email")
    assert (delivery.status, delivery.reason, delivery.attempts) == ("rejected", "smtp_data_end_552", 1)
    assert delivery.provider_reply.startswith("552 5.3.4 ")
    assert delivery.possible_duplicate is False
    assert await postfix.mails() == []


async def test_a_server_without_room_gets_the_mail_once_it_has_room_again(
    scene: Scene, start_postfix: StartPostfix
) -> None:
    # Without notices to its postmaster, who has no mailbox here: they would stay in the queue.
    postfix = await start_postfix(queue_minfree=MORE_THAN_ANY_DISK, notify_classes="")
    scene = scene.with_settings(**postfix.client())
    await scene.due_project()
    async with scene.worker():
        await scene.scan()
        async with asyncio.timeout(PATIENCE):
            while (refused := await scene.delivery("email")).reason is None:
                await asyncio.sleep(0.05)  # the database tells nobody
        assert (refused.status, refused.reason) == ("pending", "smtp_mail_452")
        await postfix.restart(queue_minfree="0")
        await scene.children_end()

    [mail] = await postfix.mails()
    delivery = await scene.delivery("email")
    assert (mail.recipient, mail.message_id) == (EMAIL, delivery.provider_id)
    assert (delivery.status, delivery.reason, delivery.possible_duplicate) == ("accepted", None, False)
    assert delivery.attempts > 1
