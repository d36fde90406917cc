"""Postfix takes a mail, cannot deliver it, and reports that to the sender's Maildir."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import pytest
from pydantic import SecretStr

from tests.mta.postfix import POLL_SECONDS, StartPostfix
from tests.mta.postfix_config import ANYBODY, NOBODY, NOBODY_UID
from tests.support.bouncing import Mailbox
from tests.support.command_line import cli
from tests.support.scene import PATIENCE, Scene

pytestmark = pytest.mark.mta

SENDER = "platform.example"
"""The domain of the application's own address."""
KEY = "0123456789abcdefghijklmnopqrstuvwxyz-ABC"
NOBODYS_ADDRESS = f"anna@{NOBODY}"


async def test_what_postfix_reports_of_a_mail_that_it_had_taken_corrects_the_record(
    scene: Scene, start_postfix: StartPostfix, postfix_folder: Path, database_url: str
) -> None:
    bounces = Mailbox(postfix_folder / "bounces")
    for folder in (bounces.folder, *bounces.folder.iterdir()):
        shutil.chown(folder, NOBODY_UID)
    postfix = await start_postfix(
        smtpd_reject_unlisted_recipient="no",
        virtual_mailbox_domains=f"{ANYBODY}, {NOBODY}, {SENDER}",
        virtual_mailbox_maps=f"inline:{{ @{ANYBODY}=maildir/, bounce@{SENDER}=bounces/ }}",
        recipient_delimiter="+",
    )
    bouncing = {"smtp_bounce_address": f"bounce@{SENDER}", "unsubscribe_secret": SecretStr(KEY)}
    scene = scene.with_settings(**postfix.client(), **bouncing)
    await scene.due_project(contact_email=NOBODYS_ADDRESS)
    await scene.scan_and_send()
    assert await scene.ends() == ("delivered", "accepted", "accepted")

    async with asyncio.timeout(PATIENCE):
        while bounces.flags() != ["new"]:
            await asyncio.sleep(POLL_SECONDS)
    environment = {
        "DATABASE_URL": database_url,
        "SMTP_BOUNCE_ADDRESS": f"bounce@{SENDER}",
        "UNSUBSCRIBE_SECRET": KEY,
    }
    ended = await cli("bounces", "--maildir", str(bounces.folder), "--json", environment=environment)
    assert (ended.status, ended.err, ended.json["bounced"]) == (0, "", 1)
    assert await scene.ends() == ("delivered", "rejected", "accepted")
    delivery = await scene.delivery("email")
    assert delivery.reason == "bounced"
    assert delivery.provider_reply == f'5.1.1 X-Postfix; unknown user: "{NOBODYS_ADDRESS}"'
    assert await scene.platform.scalar("SELECT address FROM suppressions") == NOBODYS_ADDRESS
