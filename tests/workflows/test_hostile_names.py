"""What a company gets if names are hostile: nothing unseen, nothing turned, always the date and the link."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.support.importing import Import
from tests.support.scene import CHAT, EMAIL, Scene

UNSEEN = set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u061c\u200b\ufeff\u2060\U000e0041\x1b")
LINK = "https://platform.example/projects/ship/renew"
NAMES = {
    "markup": ("Acme [Berlin] [/] <b>&", "Acme [Berlin] [/]"),
    "turned": ("\u202eemcA\u202c \u2066GmbH", "emcA GmbH"),
    "tags": ("Acme\U000e0041\u200b\ufeff GmbH", "Acme GmbH"),
}
OLD = NAMES | {"5,000 characters": ("😀" * 5000, "😀" * 199 + "…"), "an escape": ("Acme\x1b[31m", "Acme [31m")}
"""Rows from before may have these too."""


async def assert_told(scene: Scene, seen: str) -> None:
    """Both messages have the name as it is seen, the date and the link."""
    await scene.scan_and_send()
    [mail], [message] = scene.sink.messages, scene.telegram.to(CHAT)
    text, page = (part.get_content() for part in mail.message.walk() if part.get_content_maintype() == "text")
    subject = mail.subject
    for each in (subject, text, page, message.text):
        assert not UNSEEN & set(each)
        assert seen in each
    year = str((await scene.notification()).item_ends_at.year)
    for each in (text, page, message.text):
        assert LINK in each
        assert year in each
    assert len(subject.splitlines()) == 1
    assert mail.message.get_all("Reply-To") == [scene.settings.support_email]


@pytest.mark.parametrize(("name", "seen"), NAMES.values(), ids=NAMES)
async def test_names_that_are_imported(scene: Scene, engine: AsyncEngine, tmp_path: Path, name: str, seen: str) -> None:
    data = Import(engine, tmp_path)
    data.write(
        companies=f"acme,{name},{EMAIL},{CHAT},en,UTC,true,true",
        projects=f"ship,acme,{name},active,,2099-01-01T00:00:00Z,false,,,,",
    )
    report = await data()
    assert report.faults == []
    await scene.platform.execute("UPDATE projects SET expires_at = date_trunc('second', now()) + interval '3 days'")
    await assert_told(scene, seen)


@pytest.mark.parametrize(("name", "seen"), OLD.values(), ids=OLD)
async def test_names_of_rows_from_before(scene: Scene, name: str, seen: str) -> None:
    company = await scene.platform.company(name=name, contact_email=EMAIL, telegram_chat_id=CHAT)
    project = await scene.platform.project(company, slug="ship", name=name)
    for number in range(25):
        await scene.platform.content(company, project, slug=f"content-of-ship-{number}", title=name)
    await assert_told(scene, seen)
