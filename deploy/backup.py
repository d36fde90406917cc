"""Backs up our database, verifies a backup by restoring it, and restores one: `python -m deploy.backup`.

A backup is two files: `NAME.dump` in pg_dump's own format, and `NAME.json` with its checksum, its revision and how many
rows each table has. A file without the second is unfinished. Temporal's database is not part of it: our tables decide
who was told.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from db.engine import database_url
from deploy.dumps import BackupError, Contents, Programs, connected, contents, dump, restore, scratch_database
from runtime import leaving
from settings import Settings, SettingsError

SCRATCH = "expiry_backup_check"
_CHUNK = 1 << 20


@dataclass(frozen=True)
class Manifest:
    """What `NAME.json` says of `NAME.dump`."""

    taken_at: str
    sha256: str
    contents: Contents

    @classmethod
    def read(cls, backup: Path) -> Manifest:
        """Raises `BackupError`."""
        file = backup.with_suffix(".json")
        try:
            fields = json.loads(file.read_text(encoding="utf-8"))
            return cls(fields["taken_at"], fields["sha256"], Contents(**fields["contents"]))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise BackupError(f"{file}: cannot be read ({type(error).__name__}): the backup is unfinished") from None


async def create(url: URL, folder: Path, programs: Programs, verify_on: URL | None) -> Path:
    """Makes a backup in the folder, which exists, and returns its file.

    `verify_on` is a server on which it is restored to verify it; None: it is not verified. Leaves nothing in the folder
    unless all of it succeeds.
    """
    taken_at = datetime.now(UTC)
    backup = folder / f"expiry-{taken_at:%Y%m%dT%H%M%SZ}.dump"
    unfinished = backup.with_suffix(".unfinished")
    unfinished_manifest = backup.with_suffix(".json.unfinished")
    try:
        # Made first, so that nobody else can ever read it.
        unfinished.touch(mode=0o600)
        found = await dump(url, unfinished, programs)
        manifest = Manifest(taken_at.isoformat(), await checksum(unfinished), found)
        if verify_on is not None:
            await check_by_restoring(unfinished, manifest, verify_on, programs)
        unfinished_manifest.write_text(json.dumps(asdict(manifest), indent=2) + "\n", encoding="utf-8")
        # The dump first: without its manifest it is no backup.
        unfinished.rename(backup)
        unfinished_manifest.rename(backup.with_suffix(".json"))
    finally:
        unfinished.unlink(missing_ok=True)
        unfinished_manifest.unlink(missing_ok=True)
    return backup


async def verify(backup: Path, server: URL, programs: Programs) -> Manifest:
    """Raises `BackupError` unless the backup has its checksum and, restored, what it says."""
    manifest = await intact(backup)
    await check_by_restoring(backup, manifest, server, programs)
    return manifest


async def intact(backup: Path) -> Manifest:
    """Raises `BackupError` unless the file has its checksum."""
    manifest = Manifest.read(backup)
    if await checksum(backup) != manifest.sha256:
        raise BackupError(f"{backup}: its checksum is not the one that it was made with")
    return manifest


async def check_by_restoring(dumped: Path, manifest: Manifest, server: URL, programs: Programs) -> None:
    """Restores the dump into a scratch database and compares. Raises `BackupError`."""
    async with scratch_database(server, f"{SCRATCH}_{os.getpid()}") as scratch:
        await restore(dumped, scratch, programs, foreign=True)
        async with connected(scratch) as connection:
            found = await contents(connection)
    if found != manifest.contents:
        differ = sorted(set(found.rows.items()) ^ set(manifest.contents.rows.items()))
        raise BackupError(f"restored, it differs: revision {found.revision}, {differ[:3]}")


async def checksum(file: Path) -> str:
    """The SHA-256 of the file, in hexadecimal. Raises `BackupError` if it cannot be read."""

    def read() -> str:
        digest = hashlib.sha256()
        with file.open("rb") as content:
            while chunk := content.read(_CHUNK):
                digest.update(chunk)
        return digest.hexdigest()

    try:
        return await asyncio.to_thread(read)
    except OSError as error:
        raise BackupError(f"{file}: {error.strerror}") from None


def _finished(folder: Path) -> Iterator[tuple[Path, datetime]]:
    for file in folder.glob("expiry-*.dump"):
        with suppress(BackupError):
            yield file, datetime.fromisoformat(Manifest.read(file).taken_at)


def remove_old(folder: Path, keep: timedelta, now: datetime) -> list[Path]:
    """Removes the finished backups that are older, but never the newest one. Returns what it has removed. A file whose
    manifest cannot be read is no finished backup, and stays."""
    backups = sorted(_finished(folder), key=lambda each: each[0])
    old = [file for file, taken_at in backups[:-1] if now - taken_at > keep]
    for backup in old:
        # The dump first: without it the rest is no backup, and the next run removes nothing else.
        backup.unlink()
        backup.with_suffix(".json").unlink()
    return old


def _url(text: str) -> URL:
    try:
        return make_url(text)
    except ArgumentError:
        raise argparse.ArgumentTypeError("write a URL such as postgresql://user@host:5432/name") from None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--programs", type=Path, help="the folder with pg_dump and pg_restore (default: PATH)")
    commands = parser.add_subparsers(dest="command", required=True)
    making = commands.add_parser("create", help="back up DATABASE_URL, and verify the backup")
    making.add_argument("folder", type=Path)
    making.add_argument("--keep-days", type=float, help="then remove older backups")
    making.add_argument("--no-verify", action="store_true", help="do not restore it to verify it")
    checking = commands.add_parser("verify", help="verify a backup: its checksum, and what it holds once restored")
    checking.add_argument("file", type=Path)
    for each in (making, checking):
        each.add_argument(
            "--server",
            type=_url,
            help="a database of the server that gets the scratch database (default: that of DATABASE_URL, whose role "
            "then needs CREATEDB)",
        )
    back = commands.add_parser("restore", help="restore a backup into DATABASE_URL, which must be empty")
    back.add_argument("file", type=Path)
    return parser


async def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status: 0 if all succeeded, 1 if not, 2 for a wrong setting or argument."""
    options = _parser().parse_args(arguments)
    programs = Programs(options.programs)
    try:
        url = database_url(Settings.load())
        match options.command:
            case "create":
                options.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                server = None if options.no_verify else options.server or url
                backup = await create(url, options.folder, programs, server)
                manifest = Manifest.read(backup)
                _say(f"{backup}: {'NOT VERIFIED' if options.no_verify else 'verified'}, {_shown(manifest)}")
                if options.keep_days is not None:
                    for old in remove_old(options.folder, timedelta(days=options.keep_days), datetime.now(UTC)):
                        _say(f"{old}: removed")
            case "verify":
                manifest = await verify(options.file, options.server or url, programs)
                _say(f"{options.file}: verified, {_shown(manifest)}")
            case _:
                manifest = await intact(options.file)
                await restore(options.file, url, programs)
                _say(f"{options.file}: restored, {_shown(manifest)}")
    except SettingsError as error:
        sys.stderr.write(f"backup: {error}\n")
        return 2
    except BackupError as error:
        sys.stderr.write(f"backup: {error}\n")
        return 1
    except OSError as error:
        sys.stderr.write(f"backup: {error.filename or options.command}: {error.strerror}\n")
        return 1
    return 0


def _shown(manifest: Manifest) -> str:
    rows = sum(manifest.contents.rows.values())
    return f"taken {manifest.taken_at}, revision {manifest.contents.revision}, {rows} rows"


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")


if __name__ == "__main__":
    leaving.run(main)
