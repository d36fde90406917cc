"""Sending one message by SMTP over pooled connections."""

from __future__ import annotations

import ssl
from collections.abc import Awaitable, Callable
from email.message import EmailMessage
from email.policy import SMTP as SMTP_POLICY

import aiosmtplib
from aiosmtplib import (
    SMTPAuthenticationError,
    SMTPException,
    SMTPHeloError,
    SMTPResponseException,
    SMTPServerDisconnected,
    SMTPTimeoutError,
)
from email_validator import EmailNotValidError, validate_email

from channels.results import InDoubt, OperatorFault, Receipt, Rejected, TryAgain
from channels.smtp_pool import PooledConnection, SmtpPool
from channels.smtp_replies import Stage, verdict
from contracts import Reason


async def send(
    pool: SmtpPool,
    message: EmailMessage,
    sender: str,
    recipient: str,
    before_handover: Callable[[], Awaitable[None]],
) -> Receipt:
    """Hands over one message to one recipient; `before_handover` is awaited just before DATA.

    Raises `Rejected`, `TryAgain`, `OperatorFault`, or `InDoubt` if the connection was lost once the text may have
    been written. May run twice, with the same Message-ID in `message`.
    """
    try:
        address = validate_email(recipient, check_deliverability=False)
    except EmailNotValidError as error:
        raise Rejected(Reason.INVALID_ADDRESS, str(error)) from None
    content = message.as_bytes(policy=SMTP_POLICY.clone(utf8=address.smtputf8))
    async with pool.connection() as connection:
        await _begin(connection, sender, address.ascii_email or address.normalized, address.smtputf8)
        await before_handover()
        reply = await _data(connection, content)
    return Receipt(provider_id=None, reply=reply)


async def _begin(connection: PooledConnection, sender: str, recipient: str, smtputf8: bool) -> None:
    """MAIL and RCPT. A pooled connection that the server has closed meanwhile is replaced by a fresh one, once."""
    options = ["SMTPUTF8", "BODY=8BITMIME"] if smtputf8 else []
    encoding = "utf-8" if smtputf8 else "ascii"
    stage = Stage.MAIL
    try:
        try:
            await connection.smtp.mail(sender, options=options, encoding=encoding)
        except (SMTPServerDisconnected, SMTPResponseException) as error:
            closed = isinstance(error, SMTPServerDisconnected) or error.code == 421
            if not (closed and connection.reused):
                raise
            await connection.reconnect()
            await connection.smtp.mail(sender, options=options, encoding=encoding)
        stage = Stage.RCPT
        await connection.smtp.rcpt(recipient, encoding=encoding)
    except SMTPResponseException as error:
        if error.code == 421:
            connection.discard()
        else:
            await connection.reset()
        raise verdict(stage, error.code, error.message) from None
    except SMTPTimeoutError:
        connection.discard()
        raise TryAgain(f"smtp_{stage}_timeout") from None
    except SMTPException:
        connection.discard()
        raise TryAgain(f"smtp_{stage}_disconnected") from None


async def _data(connection: PooledConnection, content: bytes) -> str:
    try:
        response = await connection.smtp.data(content)
    except SMTPResponseException as error:
        if error.code == 421:
            connection.discard()
        raise verdict(Stage.DATA, error.code, error.message) from None
    except (SMTPServerDisconnected, SMTPTimeoutError, OSError) as error:
        connection.discard()
        raise InDoubt(f"smtp_data_{'timeout' if isinstance(error, SMTPTimeoutError) else 'disconnected'}") from None
    return f"{response.code} {response.message}"


async def connect(new_connection: Callable[[], aiosmtplib.SMTP]) -> aiosmtplib.SMTP:
    """Connects, greets, secures and authenticates. Raises `TryAgain` or `OperatorFault`."""
    smtp = new_connection()
    try:
        await smtp.connect()
    except SMTPAuthenticationError as error:
        raise verdict(Stage.AUTH, error.code, error.message) from None
    except SMTPHeloError as error:
        raise verdict(Stage.EHLO, error.code, error.message) from None
    except SMTPResponseException as error:
        raise verdict(Stage.CONNECT, error.code, error.message) from None
    except ssl.SSLCertVerificationError as error:
        raise OperatorFault("smtp_certificate_refused", str(error)) from None
    except SMTPTimeoutError:
        raise TryAgain("smtp_connect_timeout") from None
    except (SMTPException, OSError) as error:
        if isinstance(error.__cause__, ssl.SSLCertVerificationError):
            raise OperatorFault("smtp_certificate_refused", str(error.__cause__)) from None
        if "STARTTLS" in str(error):
            raise OperatorFault("smtp_starttls_not_offered", str(error)) from None
        raise TryAgain("smtp_connect_failed", str(error)) from None
    return smtp
