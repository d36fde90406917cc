"""A Postfix of a test's own, and what it really holds."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psutil

from local.embedded.postgres_install import open_way
from local.embedded.process import ChildProcess
from settings import SmtpTls
from tests.mta.guarded import guarded
from tests.mta.postfix_config import NOBODY_UID, main_cf, master_cf
from tests.support.reserved import HOST, ReservedPort
from tests.support.scene import PATIENCE

MASTER = Path("/usr/lib/postfix/sbin/master")
"""Debian's place for it: it is on nobody's PATH."""
QUEUES = "active bounce corrupt defer deferred flush hold incoming maildrop private public saved trace".split()
POLL_SECONDS = 0.05
"""How often another process is asked again: it sets no event here."""
CONNECTED, DISCONNECTED = "]: connect from ", "]: disconnect from "
"""In the log."""
PATH = f"{os.defpath}:/usr/sbin:/sbin"
ENVIRONMENT = {"PATH": PATH, "LANG": "C", "TZ": "UTC"}


@dataclass(frozen=True)
class Mail:
    """A message in the mailbox."""

    message: EmailMessage

    @property
    def message_id(self) -> str:
        return str(self.message["Message-ID"])

    @property
    def recipient(self) -> str:
        """Of the envelope."""
        [recipient] = self.message.get_all("X-Original-To", [])
        return str(recipient)

    @property
    def received(self) -> str:
        """What the server says of the connection that brought it."""
        [received] = self.message.get_all("Received", [])
        return str(received)


class Postfix:
    """Listens on a port with STARTTLS and on one with implicit TLS. Its parameters are those of postconf(5)."""

    def __init__(self, folder: Path, certificate: Path, **parameters: str) -> None:
        self._folder = folder
        self._certificate = certificate
        self._parameters = parameters
        self._ports = ReservedPort(), ReservedPort()
        self._starts = 0
        self._process: ChildProcess | None = None

    @property
    def port(self) -> int:
        """The port with STARTTLS."""
        return self._ports[0].number

    def client(self, tls: SmtpTls = SmtpTls.STARTTLS, **settings: object) -> dict[str, Any]:
        """The application's settings to reach this server."""
        port = self._ports[tls is SmtpTls.IMPLICIT].number
        return {"smtp_host": HOST, "smtp_port": port, "smtp_tls": tls} | settings

    async def __aenter__(self) -> Self:
        try:
            self._make_folders()
            await self.start()
        except BaseException:
            await self._close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._close()

    async def _close(self) -> None:
        await self.stop()
        for port in self._ports:
            port.release()

    async def start(self) -> None:
        """Returns when it listens."""
        etc = self._folder / "etc"
        (etc / "main.cf").write_text(main_cf(self._folder, self._certificate, self._parameters))
        (etc / "master.cf").write_text(master_cf(*(port.number for port in self._ports)))
        os.utime(etc / "main.cf", (0, 0))  # each daemon would wait two seconds for a new file to be complete
        self._process = ChildProcess(
            guarded(str(MASTER), "-c", str(etc), "-d"),
            log_file=self._folder / "master.out",
            death_signal=signal.SIGTERM,
            environment=ENVIRONMENT,
        )
        self._starts += 1
        await self.logged("daemon started", self._starts)  # once it listens

    def _make_folders(self) -> None:
        """Those that `postfix check` would make."""
        for names, user in (
            (("etc", "queue", "queue/pid"), "root"),
            (("data", *(f"queue/{name}" for name in QUEUES)), "postfix"),
            (("maildir", "maildir/tmp", "maildir/new", "maildir/cur"), NOBODY_UID),
        ):
            for name in names:
                (self._folder / name).mkdir(parents=True, exist_ok=True)
                shutil.chown(self._folder / name, user)
        open_way(self._folder / "etc")  # its daemons run as other users than we

    async def stop(self) -> None:
        """As in a crash: every connection breaks. Returns when none of its processes is left."""
        if self._process is None:
            return
        await self._process.end((signal.SIGTERM, PATIENCE))
        async with asyncio.timeout(PATIENCE):
            while _lives(self._process.pid):
                await asyncio.sleep(POLL_SECONDS)
        self._process = None

    async def restart(self, **parameters: str) -> None:
        """On the same ports, with other parameters where given."""
        self._parameters |= parameters
        await self.stop()
        await self.start()

    @property
    def log(self) -> str:
        log = self._folder / "mail.log"
        return log.read_text() if log.exists() else ""

    def count(self, text: str) -> int:
        """Lines of the log that contain it. A line is there soon after what it tells of."""
        return sum(text in line for line in self.log.splitlines())

    async def logged(self, text: str, at_least: int = 1) -> int:
        """Waits for lines of the log that contain it, and counts them."""
        async with asyncio.timeout(PATIENCE):
            while (count := self.count(text)) < at_least:
                assert self._process is not None
                assert self._process.exit_code is None, f"Postfix ended:\n{self._process.log_tail()}"
                await asyncio.sleep(POLL_SECONDS)
        return count

    async def mails(self) -> list[Mail]:
        """All it has ever taken: read once nothing is under way between its queue and the mailbox."""
        async with asyncio.timeout(PATIENCE):
            while any(self._queued()):
                await asyncio.sleep(POLL_SECONDS)
        texts = [path.read_bytes() for path in (self._folder / "maildir" / "new").iterdir()]
        return [Mail(BytesParser(EmailMessage, policy=policy.default).parsebytes(text)) for text in texts]

    def _queued(self) -> list[Path]:
        folders = [self._folder / "queue" / name for name in ("incoming", "active", "deferred")]
        return [path for folder in folders for path in folder.rglob("*") if path.is_file()]


def _lives(group: int) -> bool:
    """Whether a process of the group runs. One that has ended may wait long for whoever adopted it."""
    for process in psutil.process_iter():
        try:
            if os.getpgid(process.pid) == group and process.status() != psutil.STATUS_ZOMBIE:
                return True
        except (ProcessLookupError, psutil.NoSuchProcess):
            continue
    return False


StartPostfix = Callable[..., Awaitable[Postfix]]
