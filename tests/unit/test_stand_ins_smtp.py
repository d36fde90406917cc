import asyncio
import ssl
from collections.abc import AsyncIterator, Coroutine
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import aiosmtplib
import pytest
import trustme

from local.stand_ins.script import AcceptThenReset, Hang, Proceed, Reset
from local.stand_ins.smtp_actions import CloseAfter, EndlessReply, Reply
from local.stand_ins.smtp_sink import SmtpSink

ANN, BOB = "ann@company.example", "bob@company.example"
LOGIN: dict[str, Any] = {"username": "notifier", "password": "correct horse"}
USERS = {LOGIN["username"]: LOGIN["password"]}


@pytest.fixture
async def sink() -> AsyncIterator[SmtpSink]:
    async with SmtpSink() as sink:
        yield sink


@pytest.fixture(scope="module")
def server_tls(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context


@pytest.fixture(scope="module")
def client_tls(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def mail(to: str = ANN, item: str = "project-42") -> EmailMessage:
    message = EmailMessage()
    message["From"] = "notices@platform.example"
    message["To"] = to
    message["Subject"] = "Müllers Projekt endet"
    message["Message-ID"] = f"<expiring.{item}.7d@platform.example>"
    message["X-Notification-Id"] = "17"
    message.set_content("Seven days left.\n.\n..dots\n")
    return message


async def send(sink: SmtpSink, message: EmailMessage | None = None, **options: Any) -> str:
    """Sends a mail on a connection of its own, and returns the server's last reply."""
    options = {"start_tls": False, "timeout": 5, **options}
    _, reply = await aiosmtplib.send(message or mail(), hostname=sink.host, port=sink.port, **options)
    return reply


async def die_while_sending(sink: SmtpSink, moment: Coroutine[Any, Any, Any]) -> None:
    """Sends a mail, and closes the socket at the given moment."""
    client = aiosmtplib.SMTP(hostname=sink.host, port=sink.port, start_tls=False)
    await client.connect()
    sending = asyncio.create_task(client.send_message(mail()))
    await moment
    client.close()
    with pytest.raises(aiosmtplib.SMTPServerDisconnected):
        await sending


async def test_the_sink_keeps_a_mail_as_it_was_sent(sink: SmtpSink) -> None:
    assert await send(sink) == "2.0.0 Ok: queued as 0000000001"

    (kept,) = await sink.wait_for(1)
    assert kept.sender == "notices@platform.example"
    assert kept.recipients == (ANN,)
    assert kept.notification_id == "17"
    assert kept.message_id == "<expiring.project-42.7d@platform.example>"
    assert kept.subject == kept.message["Subject"] == "Müllers Projekt endet"
    assert kept.message.get_content().replace("\r\n", "\n") == "Seven days left.\n.\n..dots\n"
    assert sink.to(ANN) == [kept]
    assert sink.to(BOB) == []


async def test_the_sink_counts_connections_messages_and_attempts(sink: SmtpSink) -> None:
    client = aiosmtplib.SMTP(hostname=sink.host, port=sink.port, start_tls=False)
    async with client:
        await client.send_message(mail())
        await client.send_message(mail(BOB))
    await send(sink)

    assert sink.connections_opened == 2
    assert sink.messages_per_connection == [2, 1]
    assert [sink.attempts("rcpt", who) for who in (ANN, BOB, None)] == [2, 1, 3]


async def test_mails_become_files_and_their_numbers_go_on_after_a_restart(tmp_path: Path) -> None:
    for item in ("project-1", "../ar content"):
        async with SmtpSink(folder=tmp_path) as sink:
            await send(sink, mail(item=item))

    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "000001-expiring.project-1.7d.eml",
        "000002-expiring..._ar_content.7d.eml",
    ]
    assert sink.messages[0].raw == (tmp_path / "000002-expiring..._ar_content.7d.eml").read_bytes()


async def test_the_sink_advertises_what_it_can_and_refuses_what_is_too_large() -> None:
    async with SmtpSink(size_limit=1000) as sink:
        async with aiosmtplib.SMTP(hostname=sink.host, port=sink.port, start_tls=False) as client:
            await client.ehlo()
            extensions = {
                "size": "1000",
                "8bitmime": "",
                "smtputf8": "",
                "enhancedstatuscodes": "",
                "help": "",
            }
            assert client.esmtp_extensions == extensions
        large = mail()
        large.set_content("x" * 70 + "\n" * 1000)
        with pytest.raises(aiosmtplib.SMTPException) as refused:
            await send(sink, large)
    assert "552" in str(refused.value)


@pytest.mark.parametrize("mode", ["implicit", "starttls"])
async def test_tls_and_login(mode: str, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext) -> None:
    implicit = mode == "implicit"
    tls: dict[str, Any] = {"implicit_tls": server_tls} if implicit else {"starttls": server_tls}
    client: dict[str, Any] = {"use_tls": implicit, "start_tls": not implicit, "tls_context": client_tls}
    async with SmtpSink(users=USERS, auth_required=True, **tls) as sink:
        assert await send(sink, **client, **LOGIN)
        with pytest.raises(aiosmtplib.SMTPSenderRefused, match="530"):
            await send(sink, **client)
        with pytest.raises(aiosmtplib.SMTPAuthenticationError) as wrong:
            await send(sink, **client, **{**LOGIN, "password": "wrong"})
        assert wrong.value.code == 535
        with pytest.raises((aiosmtplib.SMTPException, OSError)):
            await send(sink, **{**client, "tls_context": ssl.create_default_context()})
    assert len(sink.messages) == 1


@pytest.mark.parametrize("mechanism", ["login", "plain"])
async def test_login_without_tls(mechanism: str) -> None:
    async with (
        SmtpSink(users=USERS, auth_required=True) as sink,
        aiosmtplib.SMTP(hostname=sink.host, port=sink.port, start_tls=False) as client,
    ):
        await client.ehlo()
        assert sorted(client.supported_auth_methods) == ["login", "plain"]
        reply = await getattr(client, f"auth_{mechanism}")(*LOGIN.values())
    assert reply.code == 235


async def test_a_required_starttls_is_required(server_tls: ssl.SSLContext) -> None:
    async with SmtpSink(starttls=server_tls, require_starttls=True) as sink:
        with pytest.raises(aiosmtplib.SMTPSenderRefused, match="530"):
            await send(sink)


@pytest.mark.parametrize("stage", ["connect", "ehlo", "auth", "mail", "rcpt", "data", "dot", "reply"])
async def test_a_scripted_reply_at_each_stage_is_given_once(stage: Any) -> None:
    async with SmtpSink(users=USERS) as sink:
        # A client has a second way at two stages: HELO, and the other mechanism.
        times = 2 if stage in ("ehlo", "auth") else 1
        sink.on(stage, *[Reply(454, "4.7.0 first line\n4.7.0 later")] * times)
        with pytest.raises(aiosmtplib.SMTPException) as refused:
            await send(sink, **LOGIN)
        assert "454" in f"{refused.value!r}"
        assert "later" in f"{refused.value!r}"
        assert sink.accepted == (stage == "reply")
        await send(sink, **LOGIN)
        assert sink.accepted == 1 + (stage == "reply")


async def test_a_script_for_one_recipient_leaves_the_others_alone(sink: SmtpSink) -> None:
    sink.on("rcpt", Proceed(), Reply(450, "4.2.0 greylisted"), recipient=ANN)
    sink.always("rcpt", Reply(550, "5.1.1 unknown"), recipient=ANN)
    codes = []
    for _ in range(4):
        try:
            await send(sink)
        except aiosmtplib.SMTPRecipientsRefused as error:
            codes.append(error.recipients[0].code)
        await send(sink, mail(BOB))
    assert codes == [450, 550, 550]
    assert (len(sink.to(ANN)), len(sink.to(BOB))) == (1, 4)

    sink.clear()
    await send(sink)
    assert len(sink.to(ANN)) == 2


async def test_a_positive_scripted_reply_has_the_normal_effect(sink: SmtpSink) -> None:
    sink.on("dot", Reply(250, "2.6.0 taken"))
    assert await send(sink) == "2.6.0 taken"
    assert sink.accepted == 1


@pytest.mark.parametrize("stage", ["connect", "mail", "rcpt", "data", "dot", "reply"])
async def test_a_reset_is_a_reset(sink: SmtpSink, stage: Any) -> None:
    sink.on(stage, Reset())
    reader, writer = await asyncio.open_connection(sink.host, sink.port)
    lines = [b"EHLO x", b"MAIL FROM:<a@b.example>", f"RCPT TO:<{ANN}>".encode(), b"DATA", b"\r\nhi\r\n."]

    async def converse() -> None:
        await reader.readline()
        for line in lines:
            writer.write(line + b"\r\n")
            while (await reader.readline())[3:4] == b"-":
                pass

    with pytest.raises(ConnectionResetError):
        await converse()
    writer.close()
    assert sink.attempts(stage) == 1
    assert sink.accepted == (stage == "reply")


async def test_accepted_then_reset_counts_as_accepted(sink: SmtpSink) -> None:
    sink.on("dot", AcceptThenReset(), recipient=ANN)
    with pytest.raises(aiosmtplib.SMTPServerDisconnected):
        await send(sink)
    assert len(sink.to(ANN)) == 1


async def test_a_server_that_closes_after_its_reply(sink: SmtpSink) -> None:
    sink.on("rcpt", CloseAfter(Reply(421, "4.3.2 shutting down")))
    async with aiosmtplib.SMTP(hostname=sink.host, port=sink.port, start_tls=False) as client:
        await client.mail("a@b.example")
        with pytest.raises(aiosmtplib.SMTPException):
            await client.rcpt(ANN)
        assert not client.is_connected


async def test_a_server_that_hangs_holds_the_client_until_it_leaves(sink: SmtpSink) -> None:
    sink.on("dot", Hang())
    await die_while_sending(sink, sink.wait_for_stage("dot", ANN))
    assert sink.accepted == 0
    sink.on("reply", Hang())
    with pytest.raises(aiosmtplib.SMTPReadTimeoutError):
        await send(sink, timeout=0.3)
    assert sink.accepted == 1


async def test_an_endless_reply_never_ends(sink: SmtpSink) -> None:
    sink.on("rcpt", EndlessReply(250))
    with pytest.raises(aiosmtplib.SMTPTimeoutError):
        await send(sink, timeout=0.3)
    assert sink.attempts("data") == 0


async def test_a_gate_holds_those_who_arrive(sink: SmtpSink) -> None:
    gate = sink.hold("dot", ANN)
    async with asyncio.TaskGroup() as group:
        sending = group.create_task(send(sink))
        await gate.reached.wait()
        await send(sink, mail(BOB))
        assert [kept.recipients for kept in sink.messages] == [(BOB,)]
        gate.release()
    assert sending.result()
    assert len(sink.to(ANN)) == 1


@pytest.mark.parametrize(("stage", "kept"), [("data", 0), ("dot", 0), ("reply", 1)])
async def test_a_client_that_dies_at_a_gate_leaves_what_was_kept_before(sink: SmtpSink, stage: Any, kept: int) -> None:
    gate = sink.hold(stage)
    await die_while_sending(sink, gate.reached.wait())
    sink.clear()
    await send(sink, mail(BOB))
    assert len(sink.to(ANN)) == kept


async def test_waiting_in_vain_tells_what_was_seen(sink: SmtpSink) -> None:
    await send(sink)
    with pytest.raises(TimeoutError, match="accepted 1 of 2 messages"):
        await sink.wait_for(2, timeout=0.01)
    with pytest.raises(TimeoutError, match="rcpt had 1 of 2 arrivals"):
        await sink.wait_for_stage("rcpt", ANN, count=2, timeout=0.01)


async def test_a_stopped_sink_ends_its_connections_and_comes_back_on_its_port(sink: SmtpSink) -> None:
    port = sink.port
    gate = sink.hold("mail")
    sending = asyncio.create_task(send(sink))
    await gate.reached.wait()
    await sink.stop()
    with pytest.raises(aiosmtplib.SMTPServerDisconnected):
        await sending
    with pytest.raises(aiosmtplib.SMTPConnectError):
        await send(sink)
    sink.clear()
    await sink.start()
    await send(sink)
    assert sink.port == port


async def test_what_could_never_happen_is_refused(sink: SmtpSink) -> None:
    with pytest.raises(ValueError, match="not known yet"):
        sink.on("mail", Hang(), recipient=ANN)
    with pytest.raises(ValueError, match="no such stage"):
        sink.hold("noon")  # type: ignore[arg-type] # refused
    with pytest.raises(ValueError, match="belongs to stage dot"):
        sink.always("rcpt", AcceptThenReset())
