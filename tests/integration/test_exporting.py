"""`export`: one file with all that is on record about a company, and each text as the stand-ins received it."""

from __future__ import annotations

import hashlib
import json
import stat
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import pytest

from commands.exporting import _files
from contracts.keys import NotificationType
from db.people import export
from db.people.companies import find_personal
from db.record.open import AddressedNotification, open_addressed
from tests.support.command_line import operate
from tests.support.data import Platform
from tests.support.scene import CHAT, EMAIL, Scene


async def test_it_holds_what_was_sent_and_what_is_on_record(scene: Scene, tmp_path: Path) -> None:
    await scene.due_project(slug="harbour-museum", name="Гавань Museum")
    await scene.platform.project(await scene.platform.company(slug="mill", name="Mill"))
    await scene.scan_and_send()
    test = AddressedNotification(
        NotificationType.TEST, "test.1", datetime.now(UTC), {"email": EMAIL}, {}, "Hi", "Hello"
    )
    async with scene.platform.engine.begin() as connection:
        await open_addressed(connection, test)
    to = tmp_path / "museum.zip"
    ended = await operate(scene, "export", "harbour-museum", "--to", str(to))
    assert ended.status == 0, ended.err
    assert (ended.json["notifications"], ended.json["texts"]) == (2, 3)
    assert stat.S_IMODE(to.stat().st_mode) == 0o600
    with zipfile.ZipFile(to) as archive:
        assert archive.testzip() is None
        read = {name: archive.read(name).decode() for name in archive.namelist()}
    company = json.loads(read.pop("company.json"))
    assert company["company"]["name"] == "Гавань Museum"
    assert [each["address"] for each in company["contacts"]] == [EMAIL, str(CHAT)]
    warning, of_test = map(json.loads, read.pop("notifications.jsonl").splitlines())
    assert (warning["notification_type"], warning["status"]) == ("expiring", "delivered")
    assert of_test["dedupe_key"] == "test.1"
    email, telegram = warning["deliveries"]
    assert (email["recipient"], email["status"], email["attempts"]) == (EMAIL, "accepted", 1)
    assert email["provider_reply"].startswith("250")
    assert datetime.fromisoformat(email["finished_at"]).tzinfo is not None
    assert "company.json" in read.pop("README.txt")
    assert set(read) == {email["text_file"], email["html_file"], telegram["text_file"]}
    for delivery in (email, telegram):
        for part in ("text", "html"):
            if delivery[f"{part}_file"]:
                content = read[delivery[f"{part}_file"]]
                assert hashlib.sha256(content.encode()).hexdigest() == delivery[f"{part}_sha256"]
    [mail] = [each for each in scene.sink.messages if each.recipients == (EMAIL,)]
    subject, _, body = read[email["text_file"]].partition("\n\n")
    assert mail.subject == subject
    plain = mail.message.get_body(("plain",))
    assert plain is not None
    assert plain.get_content().replace("\r\n", "\n").strip() == body.strip()
    assert "mill" not in json.dumps([company, warning, of_test]).lower()

    again = await operate(scene, "export", "harbour-museum", "--to", str(to))
    assert (again.status, "exists: give another name" in again.err) == (1, True)
    nobody = await operate(scene, "export", "nobody", "--to", str(tmp_path / "nobody.zip"))
    assert (nobody.status, "there is no company 'nobody'" in nobody.err) == (2, True)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["museum.zip"]


async def test_pages_give_each_notification_once(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    company = await platform.company()
    project = await platform.project(company)
    ids = [await platform.notification(project) for _ in range(5)]
    monkeypatch.setattr(export, "PAGE", 2)
    async with platform.engine.connect() as connection:
        personal = await find_personal(connection, company)
        pages = [page async for page in export.read_notifications(connection, company, personal)]
    assert [[row["id"] for row in page] for page in pages] == [ids[:2], ids[2:4], ids[4:]]


def test_a_file_name_is_made_of_harmless_letters() -> None:
    delivery = {"id": 7, "channel": "../../etc/x", "text": "x", "html": None}
    assert _files(delivery, 3) == {"text": "texts/3-7-_etc_x.txt"}
