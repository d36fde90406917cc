"""An SMTP server that keeps the mails it accepts and fails as scripted."""

import re
import ssl
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.header import decode_header, make_header
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import SMTP as SMTP_POLICY
from functools import cached_property, partial
from pathlib import Path
from typing import get_args

from aiosmtpd.smtp import Envelope

from local.stand_ins import tcp
from local.stand_ins.script import AcceptThenReset
from local.stand_ins.smtp_actions import Reply, SmtpAction, Stage
from local.stand_ins.smtp_protocol import ConnectionHooks, SmtpConnection
from local.stand_ins.stand_in import StandIn

HANDSHAKE_TIMEOUT = 5.0  # seconds; `stop` waits that long for a client that never starts its handshake
RECIPIENT_STAGES: tuple[Stage, ...] = ("rcpt", "data", "dot", "reply")


@dataclass(frozen=True)
class ReceivedMail:
    """A mail that the sink accepted, even if the client did not get the reply."""

    number: int
    sender: str
    recipients: tuple[str, ...]
    raw: bytes
    accepted_at: datetime
    options: tuple[str, ...] = ()
    """Parameters of MAIL."""
    greeted_as: str = ""
    """The client's name in EHLO."""

    @cached_property
    def message(self) -> EmailMessage:
        """The message, parsed at the first use."""
        return BytesParser(EmailMessage, policy=SMTP_POLICY).parsebytes(self.raw)

    @cached_property
    def _headers(self) -> dict[str, str]:
        # Not read by the e-mail parser, which takes longer than receiving the message.
        head = self.raw.partition(b"\r\n\r\n")[0].decode("utf-8", "replace")
        lines = re.sub(r"\r\n(?=[ \t])", "", head).split("\r\n")
        fields = (line.partition(":") for line in reversed(lines))
        return {name.lower(): value.strip() for name, _, value in fields}

    @property
    def notification_id(self) -> str | None:
        """The header X-Notification-Id."""
        return self._headers.get("x-notification-id")

    @property
    def message_id(self) -> str | None:
        """The header Message-ID, with its angle brackets."""
        return self._headers.get("message-id")

    @property
    def subject(self) -> str:
        """The decoded subject, or an empty text."""
        subject = self._headers.get("subject", "")
        return str(make_header(decode_header(subject))) if "=?" in subject else subject


class SmtpSink(StandIn[Stage, str, SmtpAction, ReceivedMail]):
    """Where SMTP_HOST and SMTP_PORT should point.

    `folder` gets each accepted mail as a file. `users` (name to password) turns AUTH on. With `starttls`, AUTH is
    offered only after STARTTLS. After `messages_a_connection` it takes no more mails over the same connection.
    """

    def __init__(
        self,
        *,
        port: int = 0,
        folder: Path | None = None,
        implicit_tls: ssl.SSLContext | None = None,
        starttls: ssl.SSLContext | None = None,
        require_starttls: bool = False,
        users: Mapping[str, str] | None = None,
        auth_required: bool = False,
        size_limit: int = 10 * 2**20,
        smtputf8: bool = True,
        eight_bit: bool = True,
        messages_a_connection: int | None = None,
        hostname: str = "mail.stand-in.test",
        keep: bool = True,
        on_accept: Callable[[ReceivedMail], None] | None = None,
    ) -> None:
        super().__init__(port, keep, on_accept)
        self.messages_per_connection: list[int] = []
        self._folder = folder
        self._last_number = _last_number(folder) if folder else 0
        self._implicit_tls = implicit_tls
        self._messages_a_connection = messages_a_connection
        self._server: tcp.Server[SmtpConnection] = tcp.Server()
        self._connection = partial(
            SmtpConnection,
            ConnectionHooks(
                self._script.arrive,
                self._accept,
                offers_auth=bool(users),
                offers_8bitmime=eight_bit,
                refuse_mail=self._refuse_mail,
            ),
            users=dict(users or {}),
            auth_required=auth_required,
            on_made=self._connected,
            on_lost=self._server.connections.discard,
            tls_context=starttls,
            require_starttls=require_starttls,
            data_size_limit=size_limit,
            enable_SMTPUTF8=smtputf8,
            hostname=hostname,
            ident="ESMTP",
        )

    async def start(self) -> None:
        handshake_seconds = HANDSHAKE_TIMEOUT if self._implicit_tls else None
        self.port = await self._server.listen(
            self._connection, self.host, self.port, self._implicit_tls, handshake_seconds
        )

    async def stop(self) -> None:
        await self._server.stop()

    @property
    def connections_opened(self) -> int:
        return self._server.connections.opened

    def to(self, recipient: str) -> list[ReceivedMail]:
        return [mail for mail in self.messages if recipient in mail.recipients]

    def _check(self, stage: Stage, recipient: str | None, actions: Iterable[SmtpAction]) -> None:
        if stage not in get_args(Stage):
            raise ValueError(f"no such stage: {stage}")
        if recipient is not None and stage not in RECIPIENT_STAGES:
            raise ValueError(f"the recipient is not known yet at stage {stage}")
        if stage != "dot" and any(isinstance(action, AcceptThenReset) for action in actions):
            raise ValueError("AcceptThenReset belongs to stage dot")

    def _accept(self, connection: SmtpConnection, envelope: Envelope) -> int:
        self._last_number += 1
        mail = ReceivedMail(
            number=self._last_number,
            sender=envelope.mail_from or "",
            recipients=tuple(envelope.rcpt_tos),
            raw=envelope.original_content or b"",
            accepted_at=datetime.now(UTC),
            options=tuple(envelope.mail_options),
            greeted_as=connection.session.host_name or "" if connection.session else "",
        )
        if self._folder:
            _write_eml(self._folder, mail)
        self.messages_per_connection[connection.number] += 1
        self._keep(mail)
        return mail.number

    def _refuse_mail(self, connection: SmtpConnection) -> Reply | None:
        limit = self._messages_a_connection
        if limit is None or self.messages_per_connection[connection.number] < limit:
            return None
        return Reply(452, "4.5.3 Too many messages over this connection")

    def _connected(self, connection: SmtpConnection) -> None:
        connection.number = len(self.messages_per_connection)
        self.messages_per_connection.append(0)
        self._server.connections.add(connection)


def _last_number(folder: Path) -> int:
    folder.mkdir(parents=True, exist_ok=True)
    numbers = [path.name.partition("-")[0] for path in folder.glob("*.eml")]
    return max((int(number) for number in numbers if number.isdecimal()), default=0)


def _write_eml(folder: Path, mail: ReceivedMail) -> None:
    # The Message-ID starts with the notification's key, and the key with its type and item.
    item = (mail.message_id or "").strip("<>").partition("@")[0] or mail.notification_id or "mail"
    name = f"{mail.number:06d}-{re.sub(r'[^A-Za-z0-9._-]', '_', item)[:120]}.eml"
    unfinished = folder / f".{name}.tmp"
    unfinished.write_bytes(mail.raw)
    unfinished.replace(folder / name)
