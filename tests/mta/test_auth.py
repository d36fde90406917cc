"""Logging in to a server that takes mail from its users only."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import SecretStr

from tests.mta.postfix import StartPostfix
from tests.mta.sasl import only_with_login
from tests.mta.waiting import send_waits_for_the_operator
from tests.support.scene import EMAIL, Scene

pytestmark = pytest.mark.mta

USER, PASSWORD = "notices", "open sesame"
EACH_MECHANISM = pytest.mark.parametrize("mechanism", ["plain", "login"])


@EACH_MECHANISM
async def test_the_only_mechanism_that_is_offered_is_used(
    scene: Scene, start_postfix: StartPostfix, postfix_folder: Path, mechanism: str
) -> None:
    postfix = await start_postfix(**only_with_login(postfix_folder / "etc" / "sasl", USER, PASSWORD, mechanism))
    scene = scene.with_settings(**postfix.client(smtp_username=USER, smtp_password=SecretStr(PASSWORD)))
    await scene.due_project()
    await scene.scan_and_send()

    [mail] = await postfix.mails()
    delivery = await scene.delivery("email")
    assert (delivery.status, delivery.reason, delivery.attempts) == ("accepted", None, 1)
    assert (mail.recipient, mail.message_id) == (EMAIL, delivery.provider_id)
    assert await postfix.logged(f"sasl_method={mechanism.upper()}, sasl_username={USER}") == 1


@EACH_MECHANISM
async def test_a_wrong_password_is_the_operators_fault(
    scene: Scene, start_postfix: StartPostfix, postfix_folder: Path, mechanism: str
) -> None:
    postfix = await start_postfix(**only_with_login(postfix_folder / "etc" / "sasl", USER, PASSWORD, mechanism))
    scene = scene.with_settings(**postfix.client(smtp_username=USER, smtp_password=SecretStr("open barley")))
    await send_waits_for_the_operator(scene, "smtp_auth_535")

    assert await postfix.logged(f"SASL {mechanism.upper()} authentication failed") == 1
    assert await postfix.mails() == []


async def test_a_server_that_lets_nobody_log_in_is_the_operators_fault(
    scene: Scene, start_postfix: StartPostfix
) -> None:
    postfix = await start_postfix()
    scene = scene.with_settings(**postfix.client(smtp_username=USER, smtp_password=SecretStr(PASSWORD)))
    await send_waits_for_the_operator(scene, "smtp_auth_not_offered")

    assert await postfix.mails() == []
