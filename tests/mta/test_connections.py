"""Connections are kept between messages, within what Postfix allows a client."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from tests.mta.attempts import StartAttempts
from tests.mta.postfix import CONNECTED, DISCONNECTED, Postfix, StartPostfix
from tests.mta.postfix_config import NOBODY
from tests.support.reserved import HOST
from tests.support.scene import EMAIL, Scene

pytestmark = pytest.mark.mta

TOO_MANY = "Connection concurrency limit exceeded"
LATER = "later@customer.example"


async def holds_each_once(postfix: Postfix, *message_ids: str) -> None:
    assert Counter(mail.message_id for mail in await postfix.mails()) == Counter(set(message_ids))


async def test_many_messages_go_over_few_connections(
    start_postfix: StartPostfix, start_attempts: StartAttempts
) -> None:
    postfix = await start_postfix()
    attempts = await start_attempts(postfix)
    sent = [await attempts.accepted(EMAIL) for _ in range(120)]

    await holds_each_once(postfix, *sent)
    assert postfix.count(CONNECTED) == 2


async def test_messages_at_the_same_time_share_what_connections_are_open(
    start_postfix: StartPostfix, start_attempts: StartAttempts
) -> None:
    postfix = await start_postfix()
    attempts = await start_attempts(postfix)
    sent = []
    for _ in range(5):
        sent += await asyncio.gather(*(attempts.accepted(EMAIL) for _ in range(4)))

    await holds_each_once(postfix, *sent)
    assert postfix.count(CONNECTED) <= 4


async def test_too_many_connections_of_one_client_are_tried_again(scene: Scene, start_postfix: StartPostfix) -> None:
    """Postfix answers 421 to all but one at a time, which somebody else holds at first."""
    postfix = await start_postfix(smtpd_client_connection_count_limit="1", smtpd_client_event_limit_exceptions="")
    scene = scene.with_settings(**postfix.client())
    notices = 4
    _, holder = await asyncio.open_connection(HOST, postfix.port)
    await postfix.logged(CONNECTED)
    for _ in range(notices):
        await scene.due_project()
    async with scene.worker():
        await scene.scan()
        await postfix.logged(TOO_MANY)
        holder.close()
        await scene.children_end()

    deliveries = await scene.platform.deliveries("email")
    await holds_each_once(postfix, *(str(each.provider_id) for each in deliveries))
    assert [each.status for each in deliveries] == ["accepted"] * notices
    assert not any(each.possible_duplicate for each in deliveries)
    refused = sum(each.attempts for each in deliveries) - notices
    assert await postfix.logged(TOO_MANY, refused) == refused


async def test_too_many_connections_in_a_while_are_tried_again(
    start_postfix: StartPostfix, start_attempts: StartAttempts
) -> None:
    postfix = await start_postfix(smtpd_client_connection_rate_limit="1", smtpd_client_event_limit_exceptions="")
    first, second = await start_attempts(postfix), await start_attempts(postfix)
    sent = await first.accepted(EMAIL)
    refused = await second.refused(EMAIL)

    assert (refused.status, refused.reason) == ("pending", "smtp_connect_421")
    await holds_each_once(postfix, sent, await first.accepted(EMAIL))


async def test_a_client_cut_off_for_its_errors_goes_on_over_another_connection(
    start_postfix: StartPostfix, start_attempts: StartAttempts
) -> None:
    postfix = await start_postfix(smtpd_hard_error_limit="2", smtpd_soft_error_limit="2")
    attempts = await start_attempts(postfix)
    for name in ("anna", "bert"):
        assert (await attempts.refused(f"{name}@{NOBODY}")).status == "rejected"
    sent = await attempts.accepted(EMAIL)

    await holds_each_once(postfix, sent)
    assert await postfix.logged("too many errors after RCPT") == 1
    assert postfix.count(CONNECTED) == 2


async def test_a_recipient_refused_at_data_does_not_spoil_the_connection_for_the_next_message(
    start_postfix: StartPostfix, start_attempts: StartAttempts
) -> None:
    postfix = await start_postfix(smtpd_data_restrictions=f"check_recipient_access inline:{{ {LATER}=defer }}")
    attempts = await start_attempts(postfix)
    refused = await attempts.refused(LATER)
    sent = await attempts.accepted(EMAIL)

    assert (refused.status, refused.reason) == ("pending", "smtp_data_450")
    await holds_each_once(postfix, sent)
    assert postfix.count(CONNECTED) == 1


async def test_a_connection_that_idled_for_longer_than_the_server_waits_is_replaced(
    start_postfix: StartPostfix, start_attempts: StartAttempts
) -> None:
    """Postfix says 421 to a client that is not listening, and hangs up."""
    postfix = await start_postfix(smtpd_timeout="1s")
    attempts = await start_attempts(postfix)
    first = await attempts.accepted(EMAIL)
    await postfix.logged(DISCONNECTED)
    second = await attempts.accepted(EMAIL)

    await holds_each_once(postfix, first, second)
    assert await postfix.logged("timeout after END-OF-MESSAGE") == 1


async def test_a_restart_of_the_server_between_two_messages_costs_no_attempt(
    scene: Scene, start_postfix: StartPostfix
) -> None:
    postfix = await start_postfix()
    scene = scene.with_settings(**postfix.client())
    async with scene.worker():
        await scene.due_project()
        await scene.scan()
        await scene.children_end()
        await postfix.mails()  # none is under way to the mailbox, to be delivered again after the restart
        await postfix.restart()
        await scene.due_project()
        await scene.scan()
        await scene.children_end()

    deliveries = await scene.platform.deliveries("email")
    await holds_each_once(postfix, *(str(each.provider_id) for each in deliveries))
    assert [(each.status, each.reason, each.attempts) for each in deliveries] == [("accepted", None, 1)] * 2
