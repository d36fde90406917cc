"""One SMTP connection: aiosmtpd's protocol with a scripted stage before each step."""

import asyncio
import contextlib
import logging
import re
import socket
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from aiosmtpd.smtp import MISSING, SMTP, AuthResult, Envelope, LoginPassword, Session, TLSSetupException

from local.stand_ins import tcp
from local.stand_ins.script import AcceptThenReset, Hang, Proceed, Reset
from local.stand_ins.smtp_actions import CloseAfter, EndlessReply, Reply, SmtpAction, Stage

log = logging.getLogger(__name__)

PLAIN_ADDRESS = re.compile(r"\s*<([A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@[A-Za-z0-9.-]+)>(.*)", re.DOTALL)
ENDLESS_PAUSE = 0.01  # seconds between lines, so that a client without a limit does not use up the processor


class ConnectionHooks:
    """Answers a connection's commands. aiosmtpd calls `handle_*` for each command with correct syntax."""

    def __init__(
        self,
        arrive: Callable[[Stage, Sequence[str]], Awaitable[SmtpAction | None]],
        keep: Callable[["SmtpConnection", Envelope], int],
        offers_auth: bool,
        offers_8bitmime: bool,
        refuse_mail: Callable[["SmtpConnection"], Reply | None],
    ) -> None:
        self.arrive = arrive
        self.keep = keep
        self.refuse_mail = refuse_mail
        self._hidden = [] if offers_auth else ["250-AUTH"]
        self._hidden += [] if offers_8bitmime else ["250-8BITMIME"]

    async def handle_EHLO(
        self, server: "SmtpConnection", session: Session, envelope: Envelope, hostname: str, lines: list[str]
    ) -> list[str]:
        reply = await server.stage("ehlo")
        if reply is not None and not reply.positive:
            return [str(reply)]
        session.host_name = hostname
        shown = [line for line in lines if not line.startswith(tuple(self._hidden))]
        # One string, so that it is sent in one write.
        return ["\r\n".join([*shown[:-1], "250-ENHANCEDSTATUSCODES", shown[-1]])]

    async def handle_HELO(self, server: "SmtpConnection", session: Session, envelope: Envelope, hostname: str) -> Any:
        reply = await server.stage("ehlo")
        return str(reply) if reply is not None and not reply.positive else MISSING

    async def handle_AUTH(self, server: "SmtpConnection", session: Session, envelope: Envelope, args: list[str]) -> Any:
        reply = await server.stage("auth")
        if reply is None:
            return MISSING
        session.authenticated = reply.positive
        return str(reply)

    async def handle_MAIL(
        self, server: "SmtpConnection", session: Session, envelope: Envelope, sender: str, options: list[str]
    ) -> str:
        reply = await server.stage("mail") or self.refuse_mail(server) or Reply(250, "2.1.0 Ok")
        if reply.positive:
            envelope.mail_from = sender
            envelope.mail_options.extend(options)
        return str(reply)

    async def handle_RCPT(
        self,
        server: "SmtpConnection",
        session: Session,
        envelope: Envelope,
        recipient: str,
        options: list[str],
    ) -> str:
        reply = await server.stage("rcpt", [recipient]) or Reply(250, "2.1.5 Ok")
        if reply.positive:
            envelope.rcpt_tos.append(recipient)
            envelope.rcpt_options.extend(options)
        return str(reply)

    async def handle_DATA(self, server: "SmtpConnection", session: Session, envelope: Envelope) -> str:
        recipients = list(envelope.rcpt_tos)
        at_dot = await server.stage("dot", recipients)
        if at_dot is not None and not at_dot.positive:
            return str(at_dot)
        number = self.keep(server, envelope)
        reply = await server.stage("reply", recipients)
        return str(reply or at_dot or Reply(250, f"2.0.0 Ok: queued as {number:010X}"))

    async def handle_exception(self, error: Exception) -> str:
        # A client that refuses the certificate may leave during the handshake.
        if not isinstance(error, TLSSetupException):
            log.error("smtp_connection_failed", exc_info=error)
        return "451 4.3.0 the stand-in failed"


class QuietSession(Session):
    """Hides `login_data`: aiosmtpd warns on each use, even its own."""

    login_data = None


class SmtpConnection(SMTP):
    """Serves one client. The sink sets `number` in `on_made`."""

    def __init__(
        self,
        hooks: ConnectionHooks,
        *,
        users: dict[str, str],
        auth_required: bool,
        on_made: Callable[["SmtpConnection"], None],
        on_lost: Callable[["SmtpConnection"], None],
        **options: Any,
    ) -> None:
        super().__init__(
            hooks,
            loop=asyncio.get_running_loop(),
            authenticator=self._check_password,
            auth_require_tls=options.get("tls_context") is not None,
            **options,
        )
        # aiosmtpd keeps this mapping on the class, where one connection's EHLO would change another's limits.
        self.command_size_limits = defaultdict(lambda: SMTP.command_size_limit)
        # Passed to the constructor it would warn about clear-text passwords, which a test may want.
        self._auth_required = auth_required
        self.number = -1
        self._socket: socket.socket | None = None
        self._hooks = hooks
        self._users = users
        self._on_made = on_made
        self._on_lost = on_lost

    @property
    def task(self) -> "asyncio.Task[None] | None":
        """The task that serves the client, once connected."""
        return self._handler_coroutine

    async def stage(self, stage: Stage, recipients: Sequence[str] = ()) -> Reply | None:
        """Passes the stage. Returns the reply to send instead of the normal one, or None for the normal one.

        Does not return if the scripted action is not a reply.
        """
        action = await self._hooks.arrive(stage, recipients)
        match action:
            case None | Proceed():
                return None
            case Reply():
                return action
            case AcceptThenReset():
                if self.envelope is not None:
                    self._hooks.keep(self, self.envelope)
                self.abort()
            case Reset():
                self.abort()
            case CloseAfter(reply):
                await self.push(str(reply))
                self._writer.close()
            case EndlessReply(code):
                while True:
                    await self.push(f"{code}-and so on")
                    await asyncio.sleep(ENDLESS_PAUSE)
            case Hang():
                pass
        # `connection_lost` cancels this task once the connection has ended.
        await asyncio.get_running_loop().create_future()
        return None

    async def push(self, status: str | bytes) -> None:
        """Sends a reply. A lone surrogate in it stands for a byte that is not UTF-8."""
        await super().push(status.encode("utf-8", "surrogateescape") if isinstance(status, str) else status)

    def abort(self) -> None:
        """Resets the TCP connection."""
        if self._socket is None:
            return
        transport = self._writer.transport
        tcp.reset(transport, self._socket)
        if transport is self._original_transport:
            # During a STARTTLS handshake asyncio does not report that the connection is gone.
            self.connection_lost(None)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        if self._socket is None:  # not the second call, for the TLS transport that STARTTLS puts on top
            self._socket = transport.get_extra_info("socket")
            self._on_made(self)

    def connection_lost(self, error: Exception | None) -> None:
        super().connection_lost(error)
        self._on_lost(self)

    async def smtp_DATA(self, arg: str) -> None:
        if self.envelope is not None and self.envelope.rcpt_tos and not arg:
            reply = await self.stage("data", list(self.envelope.rcpt_tos))
            if reply is not None and not reply.positive:
                await self.push(str(reply))
                return
        await super().smtp_DATA(arg)

    async def _handle_client(self) -> None:
        # A client that disconnects is not an error of the server.
        with contextlib.suppress(ConnectionError):
            banner = await self.stage("connect")
            if banner is not None:
                await self.push(str(banner))
                self._writer.close()
                return
            await super()._handle_client()

    def _create_session(self) -> Session:
        return QuietSession(self.loop)

    def _getaddr(self, arg: str) -> tuple[str | None, str | None]:
        # aiosmtpd's header parser takes most of a message's time, and nearly all addresses are plain.
        if match := PLAIN_ADDRESS.fullmatch(arg or ""):
            return match[1], match[2]
        return super()._getaddr(arg)

    def _check_password(
        self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: LoginPassword
    ) -> AuthResult:
        known = self._users.get(data.login.decode())
        return AuthResult(success=known is not None and known == data.password.decode(), handled=False)
