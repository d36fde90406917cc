"""Somebody in between keeps TLS from beginning: then nothing worth reading is written."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import SecretStr

from tests.mta.postfix import StartPostfix
from tests.mta.stripping import Stripping
from tests.mta.waiting import send_waits_for_the_operator
from tests.support.scene import Scene

pytestmark = pytest.mark.mta

LOGIN: dict[str, Any] = {"smtp_username": "notices", "smtp_password": SecretStr("open sesame")}


async def test_with_the_offer_of_starttls_taken_out_nothing_is_said_but_the_greeting(
    scene: Scene, start_postfix: StartPostfix
) -> None:
    postfix = await start_postfix()
    async with Stripping(postfix.port) as attacker:
        scene = scene.with_settings(**postfix.client(smtp_port=attacker.port, **LOGIN))
        await send_waits_for_the_operator(scene, "smtp_starttls_not_offered")

    assert attacker.seen == {b"EHLO"}
    assert await postfix.mails() == []


async def test_with_starttls_refused_for_good_nothing_else_is_said(scene: Scene, start_postfix: StartPostfix) -> None:
    postfix = await start_postfix()
    async with Stripping(postfix.port, answer=b"554 5.7.0 no TLS here\r\n") as attacker:
        scene = scene.with_settings(**postfix.client(smtp_port=attacker.port, **LOGIN))
        await send_waits_for_the_operator(scene, "smtp_starttls_554")

    assert attacker.seen == {b"EHLO", b"STARTTLS"}
    assert await postfix.mails() == []


async def test_with_starttls_refused_for_now_nothing_else_is_said_until_it_begins(
    scene: Scene, start_postfix: StartPostfix
) -> None:
    """454 is what a server with a broken key answers, too: it is asked again soon."""
    postfix = await start_postfix()
    async with Stripping(postfix.port, answer=b"454 4.7.0 TLS not available\r\n") as attacker:
        scene = scene.with_settings(**postfix.client(smtp_port=attacker.port))
        await scene.due_project()
        async with scene.worker():
            await scene.scan()
            await postfix.logged("lost connection after EHLO", 2)
            refused = await scene.delivery("email")
            assert (refused.status, refused.reason) == ("pending", "smtp_starttls_454")
            assert attacker.seen == {b"EHLO", b"STARTTLS"}
            attacker.give_way()
            await scene.children_end()

    [mail] = await postfix.mails()
    delivery = await scene.delivery("email")
    assert (delivery.status, delivery.provider_id) == ("accepted", mail.message_id)
    assert delivery.attempts > 2
