"""Mails as the mail server receives them: their headers, their encoding, and the connections that they come over."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from local.stand_ins.smtp_actions import Reply
from local.stand_ins.smtp_sink import ReceivedMail, SmtpSink
from tests.support.calling_api import calling
from tests.support.importing import Import
from tests.support.scene import EMAIL, Scene

ADDS_A_HEADER = "=?utf-8?q?x=0D=0AReply-To:_a@evil.example=0D=0A=0D=0Abody?="
ADDS_AN_ADDRESS = "=?us-ascii?q?a=2Cb=40c.example?=@example.com"


async def only_mail_of_a_test(scene: Scene, engine: AsyncEngine, **body: str) -> ReceivedMail:
    async with scene.worker(), calling(scene.settings, engine, scene.client) as http:
        response = await http.post("/notifications/test", json={"email": EMAIL} | body)
        assert response.status_code == 202
        await scene.children_end()
    [mail] = scene.sink.messages
    return mail


def says(mail: ReceivedMail, *, reply_to: str = "support@platform.example") -> None:
    """The mail has one address in each header, and the parts that it was given."""
    for name, address in {"From": "notices@platform.example", "Reply-To": reply_to}.items():
        assert [each.addr_spec for each in mail.message.get_all(name, [])[0].addresses] == [address]
        assert len(mail.message.get_all(name, [])) == 1
    assert b"evil.example" not in b"".join(
        line for line in mail.raw.split(b"\r\n") if line.lower().startswith((b"reply-to:", b"from:", b"to:"))
    )


async def test_a_subject_that_looks_like_an_encoded_word_is_only_a_subject(scene: Scene, engine: AsyncEngine) -> None:
    mail = await only_mail_of_a_test(scene, engine, subject=ADDS_A_HEADER, message="Hello")
    assert mail.message["Subject"] == ADDS_A_HEADER
    says(mail)
    assert mail.message.get_content_type() == "text/plain"
    assert "Hello" in mail.message.get_content()


async def test_an_imported_name_that_looks_like_an_encoded_word_is_only_a_name(
    scene: Scene, engine: AsyncEngine, tmp_path: Path
) -> None:
    load = Import(engine, tmp_path)
    load.write(
        companies=f"acme,Acme,{EMAIL},,en,UTC,true,false",
        projects=f"site,acme,{ADDS_A_HEADER},active,,+3d,false,annual,,,",
    )
    assert (await load(now=await scene.platform.scalar("SELECT now()"))).faults == []
    await scene.scan_and_send()
    [mail] = scene.sink.messages
    assert ADDS_A_HEADER in mail.message["Subject"]
    says(mail)


async def test_an_address_that_looks_like_two_is_one(scene: Scene) -> None:
    await scene.due_project(contact_email=ADDS_AN_ADDRESS)
    await scene.scan_and_send()
    [mail] = scene.sink.messages
    assert mail.recipients == (ADDS_AN_ADDRESS,)
    [to] = mail.message["To"].addresses
    assert to.addr_spec.replace('"', "") == ADDS_AN_ADDRESS
    says(mail)


async def test_a_sender_with_an_international_domain_is_written_in_ascii(scene: Scene) -> None:
    scene = scene.with_settings(smtp_from_email="info@münchen.example", support_email="hilfe@münchen.example")
    await scene.due_project(contact_email="anna@kölner-büro.example")
    await scene.scan_and_send()
    [mail] = scene.sink.messages
    assert mail.sender == mail.message["From"].addresses[0].addr_spec == "info@xn--mnchen-3ya.example"
    assert mail.recipients == ("anna@xn--klner-bro-07a6e.example",)
    assert mail.message["To"] == "anna@xn--klner-bro-07a6e.example"
    assert mail.message["Reply-To"] == "hilfe@xn--mnchen-3ya.example"
    assert mail.message_id is not None
    assert mail.message_id.endswith("@xn--mnchen-3ya.example>")
    assert "SMTPUTF8" not in mail.options
    assert await scene.ends() == ("delivered", "accepted", "accepted")


async def test_letters_before_the_at_sign_go_by_smtputf8(scene: Scene) -> None:
    await scene.due_project(contact_email="jösé@münchen.example")
    await scene.scan_and_send()
    [mail] = scene.sink.messages
    assert mail.recipients == ("jösé@xn--mnchen-3ya.example",)
    assert set(mail.options) == {"SMTPUTF8", "BODY=8BITMIME"}
    assert "To: jösé@xn--mnchen-3ya.example\r\n".encode() in mail.raw


@pytest.mark.parametrize(("eight_bit", "smtputf8", "options"), [(True, True, ("BODY=8BITMIME",)), (False, False, ())])
@pytest.mark.parametrize("text", ["Grüße aus Köln", "Срок проекта заканчивается. " * 15])
async def test_text_beyond_ascii_goes_as_8_bit_where_the_server_takes_it(
    scene: Scene, engine: AsyncEngine, eight_bit: bool, smtputf8: bool, options: tuple[str, ...], text: str
) -> None:
    async with SmtpSink(eight_bit=eight_bit, smtputf8=smtputf8) as sink:
        scene = replace(scene, sink=sink).with_settings(smtp_port=sink.port)
        mail = await only_mail_of_a_test(scene, engine, subject="Grüße", message=text, html=f"<p>{text}</p>")
    assert mail.options == options
    assert mail.raw.isascii() is not eight_bit
    head, _, body = mail.raw.partition(b"\r\n\r\n")
    assert head.isascii()
    assert (text.encode() in body) is eight_bit
    plain, page = (part.get_content() for part in mail.message.iter_parts())
    assert text.strip() in plain
    assert page.strip() == f"<p>{text}</p>"


async def test_ehlo_has_the_name_of_the_setting(scene: Scene) -> None:
    scene = scene.with_settings(smtp_ehlo_host="mail.platform.example")
    await scene.due_project()
    await scene.scan_and_send()
    assert [mail.greeted_as for mail in scene.sink.messages] == ["mail.platform.example"]


async def test_ascii_text_asks_for_nothing(scene: Scene, engine: AsyncEngine) -> None:
    mail = await only_mail_of_a_test(scene, engine, subject="Greetings", message="From us\n.\n..")
    assert mail.options == ()
    assert mail.raw.isascii()
    assert "From us\n.\n..\n" in mail.message.get_content().replace("\r\n", "\n")


async def test_a_server_that_takes_three_mails_over_a_connection_costs_no_attempt(scene: Scene) -> None:
    """It refuses the fourth MAIL for now, and never closes the connection."""
    async with SmtpSink(messages_a_connection=3) as sink:
        scene = replace(scene, sink=sink).with_settings(smtp_port=sink.port, smtp_max_connections=2)
        for _ in range(40):
            await scene.due_project(telegram_chat_id=None)
        await scene.scan_and_send()
        assert max(sink.messages_per_connection) == 3
    deliveries = await scene.platform.deliveries("email")
    assert len({mail.message_id for mail in sink.messages}) == len(sink.messages) == 40
    assert {(each.status, each.attempts) for each in deliveries} == {("accepted", 1)}


async def test_a_server_that_counts_recipients_is_met_over_a_fresh_connection(scene: Scene) -> None:
    """Such a refusal comes at RCPT. The notification is tried again, and not over that connection."""
    scene = scene.with_settings(smtp_max_connections=1)
    scene.sink.on("rcpt", Reply(452, "4.5.3 Too many recipients"))
    await scene.due_project()
    await scene.scan_and_send()
    assert await scene.ends() == ("delivered", "accepted", "accepted")
    assert scene.sink.messages_per_connection == [0, 1]


async def test_a_mail_server_that_refuses_the_sender_for_now_keeps_no_connection(scene: Scene) -> None:
    scene = scene.with_settings(smtp_max_connections=1)
    scene.sink.on("mail", Reply(451, "4.3.0 not now"))
    await scene.due_project()
    await scene.scan_and_send()
    assert await scene.ends() == ("delivered", "accepted", "accepted")
    assert scene.sink.messages_per_connection == [0, 1]
