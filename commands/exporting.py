"""`export`: writes all that is on record about a company to a ZIP file, with each text as it was sent."""

from __future__ import annotations

import json
import os
import re
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from commands.output import print_json, print_line
from commands.running import OK, CommandFailed, WrongArgument, database
from db.people import companies, export
from db.people.companies import Company
from settings import Settings

MODE = 0o600
"""The file holds people's data: its owner alone may read it."""
_README = """\
All that is on record about company {company_id}, as of {now:%Y-%m-%d %H:%M:%S} UTC.

company.json          the company, its contacts, projects and AR content; suppressions of its addresses; what operators
                      did by hand
notifications.jsonl   one line for each notification, and for each test to the company's addresses: when and why it was
                      opened and how it ended; in `deliveries` each attempt's channel, recipient, status, times, and the
                      provider's answer
texts/                each text as it was sent: notification-delivery-channel.txt, its subject in the first line; and
                      .html for the HTML of an e-mail

`text_sha256` and `html_sha256` are the SHA-256 digests of these files. If a text was removed after its retention
time, its digest remains: it can prove that a copy which somebody else has kept is what was sent. All times have an
offset.
"""
_SNAPSHOT = text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
_UNSAFE = re.compile(r"[^a-z0-9_-]+")


async def export_company(named: str, to: Path, *, as_json: bool) -> int:
    """Writes the file, which must not exist yet. All of it is as of one moment. Nothing is left of it if that fails."""
    settings = Settings.load()
    async with database(settings) as engine, engine.connect() as connection:
        await connection.execute(_SNAPSHOT)
        company = await companies.find_company(connection, named)
        if company is None:
            raise WrongArgument(f"there is no company {named!r}: give its slug or its id")
        with _new_file(to) as archive:
            written = await _write(connection, company, archive)
    if as_json:
        print_json({"company_id": company.company_id, "file": str(to), **written})
    else:
        print_line(
            f"Wrote {written['notifications']} notifications of company {company.company_id} with {written['texts']} "
            f"texts to {to}. The file holds people's data: keep it accordingly."
        )
    return OK


@contextmanager
def _new_file(path: Path) -> Iterator[zipfile.ZipFile]:
    """Opens a new ZIP file that only its owner can read. Removes it if the block fails."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, MODE)
    except FileExistsError:
        raise CommandFailed(f"{path} exists: give another name") from None
    except OSError as error:
        raise CommandFailed(f"cannot write {path}: {error.strerror}") from None
    try:
        with os.fdopen(descriptor, "wb") as file, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            yield archive
    except BaseException:
        path.unlink(missing_ok=True)
        raise


async def _write(connection: AsyncConnection, company: Company, archive: zipfile.ZipFile) -> dict[str, int]:
    """Writes all parts. The texts come in a second pass, because a ZIP file takes one part at a time."""
    personal = await companies.find_personal(connection, company.company_id)
    archive.writestr("README.txt", _README.format(company_id=company.company_id, now=datetime.now(UTC)))
    whole = await export.read_company(connection, company.company_id, personal)
    archive.writestr("company.json", _json(whole, indent=2))
    notifications = texts = 0
    with archive.open("notifications.jsonl", "w", force_zip64=True) as lines:
        async for page in export.read_notifications(connection, company.company_id, personal):
            for row in page:
                deliveries = [_without_texts(each, row["id"]) for each in row["deliveries"] or ()]
                lines.write(_json(row["notification"] | {"deliveries": deliveries}).encode() + b"\n")
            notifications += len(page)
    async for page in export.read_notifications(connection, company.company_id, personal):
        for row in page:
            for delivery in row["deliveries"] or ():
                for part, name in _files(delivery, row["id"]).items():
                    archive.writestr(name, delivery[part])
                    texts += 1
    return {"notifications": notifications, "texts": texts}


def _files(delivery: Mapping[str, Any], notification_id: int) -> dict[str, str]:
    """Returns the names of the files with the delivery's texts. They are made of ids and the channel's name."""
    channel = _UNSAFE.sub("_", delivery["channel"].lower())
    stem = f"texts/{notification_id}-{delivery['id']}-{channel}"
    suffixes = {"text": ".txt", "html": ".html"}
    return {part: stem + suffix for part, suffix in suffixes.items() if delivery[part] is not None}


def _without_texts(delivery: Mapping[str, Any], notification_id: int) -> dict[str, Any]:
    """Returns the delivery with the names of its texts' files instead of the texts."""
    files = _files(delivery, notification_id)
    kept = {name: value for name, value in delivery.items() if name not in ("text", "html")}
    return kept | {f"{part}_file": files.get(part) for part in ("text", "html")}


def _json(document: object, indent: int | None = None) -> str:
    return json.dumps(document, ensure_ascii=False, indent=indent)
