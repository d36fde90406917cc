"""TLS with a server of a private authority: who is not who it should be gets nothing."""

from __future__ import annotations

import pytest

from settings import SmtpTls
from tests.mta.certificates import Certificates
from tests.mta.postfix import DISCONNECTED, Postfix, StartPostfix
from tests.mta.waiting import send_waits_for_the_operator
from tests.support.scene import EMAIL, Scene

pytestmark = pytest.mark.mta

BOTH = pytest.mark.parametrize("tls", [SmtpTls.STARTTLS, SmtpTls.IMPLICIT])


async def hears_nothing(postfix: Postfix) -> None:
    """A client came and went, and named no sender."""
    await postfix.logged(DISCONNECTED)
    assert (postfix.count(" mail="), await postfix.mails()) == (0, [])


@BOTH
async def test_a_server_of_the_private_authority_gets_the_mail_encrypted(
    scene: Scene, start_postfix: StartPostfix, tls: SmtpTls
) -> None:
    postfix = await start_postfix()
    scene = scene.with_settings(**postfix.client(tls))
    await scene.due_project()
    await scene.scan_and_send()

    [mail] = await postfix.mails()
    delivery = await scene.delivery("email")
    assert (delivery.status, delivery.reason, delivery.attempts) == ("accepted", None, 1)
    assert (mail.recipient, mail.message_id) == (EMAIL, delivery.provider_id)
    assert "using TLSv1." in mail.received
    assert delivery.provider_reply.startswith("250 2.0.0 Ok: queued as ")


@BOTH
async def test_a_certificate_of_another_authority_is_refused(
    scene: Scene, start_postfix: StartPostfix, certificates: Certificates, tls: SmtpTls
) -> None:
    postfix = await start_postfix(certificate=certificates.of_another_authority)
    await send_waits_for_the_operator(scene.with_settings(**postfix.client(tls)), "smtp_certificate_refused")

    await hears_nothing(postfix)


@BOTH
async def test_a_certificate_for_another_host_is_refused(
    scene: Scene, start_postfix: StartPostfix, certificates: Certificates, tls: SmtpTls
) -> None:
    postfix = await start_postfix(certificate=certificates.of_another_host)
    await send_waits_for_the_operator(scene.with_settings(**postfix.client(tls)), "smtp_certificate_refused")

    await hears_nothing(postfix)


async def test_a_server_that_insists_on_tls_is_not_sent_to_in_the_clear(
    scene: Scene, start_postfix: StartPostfix
) -> None:
    """Postfix answers 530 to MAIL."""
    postfix = await start_postfix(smtpd_tls_security_level="encrypt")
    await send_waits_for_the_operator(scene.with_settings(**postfix.client(SmtpTls.NONE)), "smtp_mail_530")

    assert await postfix.mails() == []
