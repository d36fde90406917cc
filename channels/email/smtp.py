"""Sends one message by SMTP over a pooled connection."""

from __future__ import annotations

import re
import ssl
from collections.abc import Awaitable, Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import aiosmtplib
from aiosmtplib import (
    SMTPException,
    SMTPResponseException,
    SMTPServerDisconnected,
    SMTPTimeoutError,
)

from channels.base import InDoubt, NotHandedOver, Receipt, Rejected
from channels.email.addresses import Mailbox, our_mailbox, recipient_mailbox
from channels.email.composing import ComposedMail
from channels.email.smtp_pool import PooledConnection, SmtpPool
from channels.email.smtp_replies import TRANSIENT, NoReply, Stage, hands_over, outcome, without_reply
from contracts.sending import Reason

COMMAND_TIMEOUT = 300.0
"""Seconds for the greeting and for the answer to each command (RFC 5321 4.5.3.2). The answer to the text may take
longer; the caller limits the whole."""

_LEADING_DOT = re.compile(rb"(?m)^\.")
_START_INPUT = 354
_TOO_MANY = "4.5.3"
"""Too many recipients (RFC 3463). We send one, so it is the limit of a connection."""
_INVALID_RESPONSE = aiosmtplib.SMTPStatus.invalid_response


async def send(
    pool: SmtpPool,
    mail: ComposedMail,
    sender: str,
    recipient: str,
    before_handover: Callable[[], Awaitable[None]],
) -> Receipt:
    """Hands over one mail to one recipient. Calls `before_handover` just before the text is written.

    Raises the outcome of the server's answer, as in `smtp_replies`. May run twice, with the same Message-ID in
    `mail`.
    """
    envelope = _Envelope(our_mailbox(sender), recipient_mailbox(recipient), mail)
    async with pool.connection() as connection:
        content = await _begin(connection, envelope)
        return await _data(connection, content, before_handover)


@dataclass(frozen=True)
class _Envelope:
    """A mail and whom it is from and for."""

    sender: Mailbox
    recipient: Mailbox
    mail: ComposedMail

    @property
    def needs_smtputf8(self) -> bool:
        return self.sender.needs_smtputf8 or self.recipient.needs_smtputf8 or self.mail.needs_smtputf8


async def _begin(connection: PooledConnection, envelope: _Envelope) -> bytes:
    """Sends MAIL and RCPT, and returns the text to send over this connection.

    Replaces a pooled connection, once, if the server has closed it meanwhile or takes no more mails over it: some
    servers limit them, and a refusal for now at MAIL may be that.
    """
    with _answers(connection, Stage.MAIL):
        try:
            content = await _mail(connection, envelope)
        except (SMTPServerDisconnected, SMTPResponseException) as error:
            if not (connection.reused and (isinstance(error, SMTPServerDisconnected) or error.code in TRANSIENT)):
                raise
            await connection.reconnect()
            content = await _mail(connection, envelope)
    with _answers(connection, Stage.RCPT):
        await _command(connection, f"RCPT TO:<{envelope.recipient.in_command}>", (250, 251))
    return content


async def _mail(connection: PooledConnection, envelope: _Envelope) -> bytes:
    """Sends MAIL with what this connection's server offers of what the mail needs, and returns the mail's bytes."""
    offers = connection.smtp.supports_extension
    options = []
    if envelope.needs_smtputf8:
        if not offers("smtputf8"):
            raise Rejected(Reason.INVALID_ADDRESS, "The mail server does not accept addresses with non-ASCII letters")
        options.append("SMTPUTF8")
    content = envelope.mail.as_bytes(eight_bit=offers("8bitmime"))
    if not content.isascii() and offers("8bitmime"):
        options.append("BODY=8BITMIME")
    await _command(connection, " ".join([f"MAIL FROM:<{envelope.sender.in_command}>", *options]), (250,))
    return content


async def _command(connection: PooledConnection, line: str, expected: Collection[int]) -> None:
    """Sends a command. aiosmtplib's own `mail` and `rcpt` parse the address once more, as text."""
    response = await connection.smtp.execute_command(line.encode())
    if response.code not in expected:
        raise SMTPResponseException(response.code, response.message)


async def _data(
    connection: PooledConnection, content: bytes, before_handover: Callable[[], Awaitable[None]]
) -> Receipt:
    """Sends DATA, then the text. aiosmtplib's own `data` does not separate the two: only a connection that breaks
    after the text leaves the delivery in doubt."""
    with _answers(connection, Stage.DATA):
        response = await connection.smtp.execute_command(b"DATA")
        if response.code != _START_INPUT:
            raise SMTPResponseException(response.code, response.message)
    await before_handover()
    protocol = connection.smtp.protocol
    if protocol is None or not protocol.is_connected:
        raise without_reply(Stage.DATA, NoReply.DISCONNECTED)  # nothing has been written
    with _answers(connection, Stage.DATA_END):
        protocol.write(_LEADING_DOT.sub(b"..", content) + b".\r\n")  # RFC 5321 4.5.2
        response = await protocol.read_response()
        result = outcome(Stage.DATA_END, response.code, response.message)
        if not isinstance(result, Receipt):
            raise SMTPResponseException(response.code, response.message)
    return result


@contextmanager
def _answers(connection: PooledConnection, stage: Stage) -> Iterator[None]:
    """Turns errors in the block into the outcomes of the table, and discards a connection that is no longer usable."""
    try:
        yield
    except (SMTPException, OSError) as error:
        if not isinstance(error, SMTPResponseException) or _is_used_up(stage, error):
            connection.discard()
        connection.transaction_open = not hands_over(stage)  # after the text the transaction is over
        raise _meaning(stage, error, without_reply(stage, NoReply.DISCONNECTED)) from None


def _is_used_up(stage: Stage, error: SMTPResponseException) -> bool:
    """Whether no other mail should go over the connection: the server closes it (421), its answer was not SMTP, or it
    takes no more mails over this connection."""
    if error.code in (421, _INVALID_RESPONSE):
        return True
    return error.code in TRANSIENT and (stage is Stage.MAIL or _TOO_MANY in error.message)


def _meaning(
    stage: Stage, error: SMTPException | OSError, otherwise: NotHandedOver | InDoubt
) -> NotHandedOver | InDoubt:
    """Returns the table's outcome for an error of aiosmtplib or the network; `otherwise` if the error says no more."""
    causes = (error, error.__cause__, error.__context__)
    refused = next((cause for cause in causes if isinstance(cause, ssl.SSLCertVerificationError)), None)
    if refused is not None:
        return without_reply(stage, NoReply.CERTIFICATE_REFUSED, str(refused))
    if isinstance(error, SMTPResponseException):
        if error.code == _INVALID_RESPONSE:
            return without_reply(stage, NoReply.MALFORMED, error.message)
        result = outcome(stage, error.code, error.message)
        # A success reply at this stage is not an acceptance.
        return without_reply(Stage.DATA, NoReply.MALFORMED, result.reply) if isinstance(result, Receipt) else result
    if isinstance(error, (SMTPTimeoutError, TimeoutError)):
        return without_reply(stage, NoReply.TIMEOUT)
    if isinstance(error, SMTPServerDisconnected):
        return without_reply(stage, NoReply.DISCONNECTED)
    return otherwise


@dataclass(frozen=True)
class SmtpServer:
    """The mail server and how to log in to it. Without `starttls` or `implicit_tls` nothing is encrypted."""

    host: str
    port: int
    local_hostname: str
    tls: ssl.SSLContext
    starttls: bool = False
    implicit_tls: bool = False
    username: str | None = None
    password: str | None = None


async def connect(server: SmtpServer) -> aiosmtplib.SMTP:
    """Connects, greets, starts TLS and authenticates. Raises the outcome of each stage, as in `smtp_replies`."""
    smtp = aiosmtplib.SMTP(
        hostname=server.host,
        port=server.port,
        local_hostname=server.local_hostname,
        use_tls=server.implicit_tls,
        start_tls=False,  # done below, a stage of its own
        tls_context=server.tls if server.implicit_tls else None,
        timeout=COMMAND_TIMEOUT,
    )
    stage = Stage.CONNECT
    try:
        await smtp.connect()
        stage = Stage.EHLO
        await smtp.ehlo()
        if server.starttls:
            stage = Stage.STARTTLS
            if not smtp.supports_extension("starttls"):
                raise without_reply(stage, NoReply.NOT_OFFERED)  # noqa: TRY301 - it is closed below as for an answer
            await smtp.starttls(tls_context=server.tls)
            stage = Stage.EHLO
            await smtp.ehlo()
        if server.username is not None:
            stage = Stage.AUTH
            if not smtp.supported_auth_methods:
                raise without_reply(stage, NoReply.NOT_OFFERED)  # noqa: TRY301 - it is closed below as for an answer
            await smtp.login(server.username, server.password or "")
    except BaseException as error:
        smtp.close()
        if isinstance(error, (SMTPException, OSError)):
            raise _meaning(stage, error, without_reply(stage, NoReply.FAILED, str(error))) from None
        raise
    return smtp


async def probe(server: SmtpServer) -> None:
    """Connects and logs in, but sends no message. Raises as `connect` does."""
    smtp = await connect(server)
    try:
        await smtp.noop()
        await smtp.quit()
    except (SMTPException, OSError) as error:
        raise _meaning(Stage.EHLO, error, without_reply(Stage.EHLO, NoReply.DISCONNECTED)) from None
    finally:
        smtp.close()
