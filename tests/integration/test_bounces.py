"""Mails that come back: what becomes of the record, of the address, and of the message in the Maildir."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from channels.email.bounce_addresses import BounceAddresses
from channels.email.bounce_reports import read_bounce
from contracts.sending import DeliveryStatus, KnownDelivery, SendResult
from db.record.bounced import Bounce, Proof, Result, apply_bounce
from db.record.settle import record
from local.stand_ins.telegram_answers import server_error
from tests.support.bounces_in_words import WORDS, complaint, opensmtpd
from tests.support.bouncing import RECIPIENT, Mailbox, bounced
from tests.support.calling_api import NOBODY_LISTENS
from tests.support.command_line import WHY, Ended, cli, delivery_id, operate
from tests.support.data import Platform
from tests.support.scene import EMAIL, Scene

ANNA = RECIPIENT.lower()
KEY = "k" * 8 + "0123456789abcdefghijklmnopqrstuv"
BOUNCES = BounceAddresses("bounce@platform.example", KEY)
SIGNED = {"SMTP_BOUNCE_ADDRESS": "bounce@platform.example", "UNSUBSCRIBE_SECRET": KEY}
NO_SUCH_USER = {"diagnostic-code": "smtp; 550 5.1.1 no such user"}
NOTHING = {"bounced": 0, "unproven": 0, "complained": 0, "unchanged": 0, "under_way": 0, "ignored": 0, "unmatched": 0}


@pytest.fixture
def mailbox(tmp_path: Path) -> Mailbox:
    return Mailbox(tmp_path / "bounces")


@pytest.fixture
async def told(platform: Platform) -> Told:
    """A notice that both channels have taken."""
    project = await platform.project(await platform.company(contact_email=RECIPIENT))
    told = Told(platform, await platform.notification(project))
    await platform.execute(
        "UPDATE deliveries SET status = 'accepted', attempts = 1, claimed_at = now(), finished_at = now(),"
        " recipient = CASE channel WHEN 'email' THEN :recipient ELSE '77' END,"
        " provider_reply = '250 ok', provider_id = CASE channel WHEN 'email' THEN :message_id ELSE '1' END",
        recipient=RECIPIENT,
        message_id=await told.message_id(),
    )
    await platform.execute("UPDATE notifications SET status = 'delivered', finished_at = now()")
    return told


class Told:
    """A notice, and the reports about its mail."""

    def __init__(self, platform: Platform, notification_id: int) -> None:
        self.platform = platform
        self.notification_id = notification_id

    async def message_id(self) -> str:
        [notification] = await self.platform.notifications()
        return f"<{notification.dedupe_key}@platform.example>"

    async def report(self, sample: str = "postfix", **about: Any) -> bytes:
        known: dict[str, Any] = {"message_id": await self.message_id(), "notification_id": self.notification_id}
        return bounced(sample, **known | about)

    async def tagged(self, report: bytes) -> bytes:
        """The report, sent to the mail's own envelope sender."""
        [email] = await self.platform.deliveries("email")
        return sent_to(BOUNCES.tagged(email.id, RECIPIENT), report)

    async def apply(self, sample: str = "postfix", **about: Any) -> Result:
        """With the proof that the mail's own tag gives."""
        return await self._apply(await self.report(sample, **about), [await self.proof()])

    async def apply_unproven(self, sample: str = "postfix", **about: Any) -> Result:
        return await self._apply(await self.report(sample, **about), [])

    async def _apply(self, report: bytes, proofs: list[Proof]) -> Result:
        bounce = read_bounce(report)
        assert isinstance(bounce, Bounce)
        async with self.platform.engine.begin() as connection:
            return await apply_bounce(connection, bounce, "email", proofs)

    async def proof(self) -> Proof:
        [email] = await self.platform.deliveries("email")
        return Proof(email.id, lambda recipient: recipient == RECIPIENT)

    async def deliveries_are(self, channel: str, **values: Any) -> None:
        columns = ", ".join(f"{name} = :{name}" for name in values)
        await self.platform.execute(f"UPDATE deliveries SET {columns} WHERE channel = :c", c=channel, **values)  # noqa: S608 - ours

    async def ends(self) -> tuple[str, str, str | None]:
        """Of the notification, and of its mail with the reason."""
        [notification], [email] = await self.platform.notifications(), await self.platform.deliveries("email")
        return notification.status, email.status, email.reason

    async def suppressed(self) -> list[dict[str, Any]]:
        return await self.platform.rows("SELECT channel, address, reason, provider_reply FROM suppressions")


async def read(mailbox: Mailbox, database_url: str, *options: str) -> Ended:
    environment = {"DATABASE_URL": database_url} | SIGNED
    return await cli("bounces", "--maildir", str(mailbox.folder), *options, environment=environment)


def sent_to(address: str, report: bytes) -> bytes:
    """The report as the local server delivers it to this address."""
    return f"Delivered-To: {address}\r\n".encode() + report


async def counts(mailbox: Mailbox, database_url: str) -> tuple[dict[str, int], str]:
    ended = await read(mailbox, database_url, "--json")
    assert ended.status == 0, ended.err
    return {name: count for name, count in ended.json.items() if count}, ended.err


async def test_a_mail_to_nobody_is_rejected_and_its_address_is_switched_off(told: Told) -> None:
    assert await told.apply(changed=NO_SUCH_USER) is Result.BOUNCED
    assert await told.ends() == ("delivered", "rejected", "bounced")
    [email] = await told.platform.deliveries("email")
    assert email.provider_reply == "5.1.1 smtp; 550 5.1.1 no such user"
    assert await told.suppressed() == [
        {"channel": "email", "address": ANNA, "reason": "bounced", "provider_reply": email.provider_reply}
    ]


async def test_a_full_mailbox_is_rejected_and_stays_in_use(told: Told) -> None:
    assert await told.apply("exim") is Result.BOUNCED
    assert await told.ends() == ("delivered", "rejected", "bounced")
    assert await told.suppressed() == []


@pytest.mark.parametrize(
    ("telegram", "notification"),
    [
        ("accepted", "delivered"),
        ("unknown", "in_doubt"),
        ("rejected", "undelivered"),
        ("failed", "undelivered"),
        ("skipped", "undelivered"),
    ],
)
async def test_the_notification_is_what_its_channels_make_it(told: Told, telegram: str, notification: str) -> None:
    await told.deliveries_are("telegram", status=telegram)
    await told.apply()
    assert await told.ends() == (notification, "rejected", "bounced")


async def test_a_doubt_is_decided(told: Told) -> None:
    await told.deliveries_are("email", status="unknown", reason="smtp_data_end_timeout")
    await told.deliveries_are("telegram", status="skipped")
    await told.platform.execute("UPDATE notifications SET status = 'in_doubt'")
    assert await told.apply("exim") is Result.BOUNCED
    assert await told.ends() == ("undelivered", "rejected", "bounced")


async def test_of_two_copies_one_may_have_arrived(told: Told) -> None:
    await told.deliveries_are("email", possible_duplicate=True)
    await told.deliveries_are("telegram", status="skipped")
    assert await told.apply("exim") is Result.BOUNCED
    assert await told.ends() == ("in_doubt", "unknown", "bounced")
    assert await told.apply("exim") is Result.UNCHANGED


async def test_of_two_copies_to_nobody_none_has_arrived(told: Told) -> None:
    await told.deliveries_are("email", possible_duplicate=True)
    await told.apply(changed=NO_SUCH_USER)
    assert await told.ends() == ("delivered", "rejected", "bounced")


async def test_without_a_proof_a_bounce_is_recorded_and_switches_nobody_off(told: Told) -> None:
    assert await told.apply_unproven(changed=NO_SUCH_USER) is Result.UNPROVEN
    assert await told.ends() == ("delivered", "rejected", "bounce_unproven")
    assert await told.suppressed() == []
    assert await told.apply_unproven(changed=NO_SUCH_USER) is Result.UNCHANGED
    assert await told.apply(changed=NO_SUCH_USER) is Result.BOUNCED
    assert await told.ends() == ("delivered", "rejected", "bounced")
    assert [each["address"] for each in await told.suppressed()] == [ANNA]


async def test_reports_that_guess_our_numbers_and_tags_switch_nobody_off(
    told: Told, mailbox: Mailbox, database_url: str
) -> None:
    """Forgers know every Message-ID, the address that bounces go to, and tags that others have got."""
    [email] = await told.platform.deliveries("email")
    valid = BOUNCES.tagged(email.id, RECIPIENT)
    guesses = [
        "bounce@platform.example",
        "notices@platform.example",
        BOUNCES.tagged(email.id, "eve@evil.example"),
        BOUNCES.tagged(email.id + 1, RECIPIENT),
        BounceAddresses("bounce@platform.example", "another-" + KEY).tagged(email.id, RECIPIENT),
        valid.replace("@platform.example", "@evil.example"),
        f"bounce+{email.id}-{'a' * 16}@platform.example",
        f"bounce+{email.id}-@platform.example",
        f"bounce+{9 * 10**18}-{'a' * 16}@platform.example",
    ]
    for guess in guesses:
        mailbox.put(sent_to(guess, await told.report(changed=NO_SUCH_USER)))
    inside = await told.report(changed=NO_SUCH_USER)
    mailbox.put(inside.replace(b"Return-Path: <notices@platform.example>", f"Delivered-To: {valid}".encode()))
    found, _ = await counts(mailbox, database_url)
    assert found == {"unproven": 1, "unchanged": len(guesses)}
    assert await told.suppressed() == []


async def test_a_tag_finds_the_mail_although_nothing_of_it_came_back(
    told: Told, mailbox: Mailbox, database_url: str
) -> None:
    words = opensmtpd().partition("Below is a copy")[0]
    mailbox.put(await told.tagged(words.encode()))
    assert (await counts(mailbox, database_url))[0] == {"bounced": 1}
    assert [each["address"] for each in await told.suppressed()] == [ANNA]


@pytest.mark.parametrize("server", WORDS)
async def test_a_bounce_in_words_ends_the_delivery(
    told: Told, mailbox: Mailbox, database_url: str, server: str
) -> None:
    refused = "554 5.7.1 Client host [192.0.2.49] blocked using zen.spamhaus.org"
    mailbox.put(
        await told.tagged(WORDS[server](refused).replace("Date: Mon, 01 Jun 2026 09:00:05 +0000\n", "").encode())
    )
    assert (await counts(mailbox, database_url))[0] == {"bounced": 1}
    assert await told.ends() == ("delivered", "rejected", "bounced")
    [email] = await told.platform.deliveries("email")
    assert str(email.provider_reply).startswith("554 5.7.1")
    assert await told.suppressed() == []


async def test_who_complains_gets_nothing_more(told: Told, mailbox: Mailbox, database_url: str) -> None:
    [email] = await told.platform.deliveries("email")
    mailbox.put(complaint(envelope_sender=BOUNCES.tagged(email.id, RECIPIENT)))
    assert (await counts(mailbox, database_url))[0] == {"complained": 1}
    assert await told.ends() == ("delivered", "accepted", None)
    assert await told.suppressed() == [
        {"channel": "email", "address": ANNA, "reason": "complained", "provider_reply": "complaint: abuse"}
    ]


async def test_a_complaint_that_nothing_proves_is_left_to_a_person(
    told: Told, mailbox: Mailbox, database_url: str
) -> None:
    mailbox.put(complaint())
    found, told_of = await counts(mailbox, database_url)
    assert (found, mailbox.flags()) == ({"unmatched": 1}, ["F"])
    assert "no tag of ours proves" in told_of
    assert await told.suppressed() == []


async def test_one_mail_that_cannot_be_read_does_not_keep_the_others(
    told: Told, mailbox: Mailbox, database_url: str
) -> None:
    mailbox.put(b"Return-Path: <>\r\n\r\n")  # a detector raises IndexError without From
    mailbox.put(b"Return-Path: <>\r\nContent-Type: \0\r\n\r\n" + b"\0\xff" * 15_000_000)
    mailbox.put(await told.tagged(await told.report()))
    found, _ = await counts(mailbox, database_url)
    assert (found, mailbox.flags()) == ({"bounced": 1, "unmatched": 2}, ["F", "F", "S"])


@pytest.mark.parametrize("status", ["rejected", "failed", "skipped"])
async def test_what_did_not_go_out_is_left_alone(told: Told, status: str) -> None:
    await told.deliveries_are("email", status=status, reason="as it was")
    before = await told.platform.deliveries()
    assert await told.apply() is Result.UNCHANGED
    assert await told.platform.deliveries() == before
    assert await told.suppressed() == []


async def test_what_somebody_has_seen_has_arrived(told: Told) -> None:
    await told.deliveries_are("email", reason="confirmed_by_operator")
    assert await told.apply() is Result.UNCHANGED
    assert await told.ends() == ("delivered", "accepted", "confirmed_by_operator")


@pytest.mark.parametrize("status", ["pending", "sending"])
async def test_a_report_that_comes_before_the_answer_is_in_the_record_waits(told: Told, status: str) -> None:
    await told.deliveries_are("email", status=status)
    assert await told.apply() is Result.UNDER_WAY
    await told.deliveries_are("email", status="accepted")
    assert await told.apply() is Result.BOUNCED


async def test_a_report_of_an_earlier_copy_says_nothing_of_the_last(told: Told) -> None:
    """It was sent again an hour later, and the first copy's report is read once more, or comes late."""
    assert await told.apply(written_at=datetime.now(UTC) - timedelta(hours=1)) is Result.UNCHANGED
    assert await told.ends() == ("delivered", "accepted", None)


async def test_a_server_that_knows_the_recipient_by_another_name_is_believed_but_switches_nobody_off(
    told: Told,
) -> None:
    elsewhere = {"final-recipient": "rfc822; a.smith@inner.example", "original-recipient": ""}
    assert await told.apply(changed=elsewhere) is Result.BOUNCED
    assert await told.ends() == ("delivered", "rejected", "bounced")
    assert await told.suppressed() == []


async def test_a_mail_whose_message_id_was_changed_is_known_by_its_number_and_recipient(told: Told) -> None:
    assert await told.apply(message_id="<changed@relay.example>") is Result.BOUNCED
    assert await told.ends() == ("delivered", "rejected", "bounced")


@pytest.mark.parametrize(
    "about",
    [
        {"message_id": "<other@relay.example>", "notification_id": 4711},
        {"message_id": "<other@relay.example>", "changed": {"final-recipient": "", "original-recipient": ""}},
        {
            "message_id": "<other@relay.example>",
            "changed": {"final-recipient": "rfc822; eve@evil.example", "original-recipient": ""},
        },
    ],
    ids=["another number", "no recipient", "another recipient"],
)
async def test_a_number_alone_is_not_believed(told: Told, about: dict[str, Any]) -> None:
    assert await told.apply_unproven(**about) is Result.UNMATCHED
    assert await told.ends() == ("delivered", "accepted", None)


async def test_a_message_id_of_another_domain_is_not_ours(told: Told) -> None:
    ours = await told.message_id()
    assert await told.apply_unproven(message_id=ours.replace("platform", "evil"), notification_id=0) is Result.UNMATCHED


async def test_a_workflow_that_still_tries_telegram_does_not_take_the_bounce_back(told: Told) -> None:
    await told.platform.execute("UPDATE notifications SET status = 'open', finished_at = NULL")
    await told.deliveries_are("telegram", status="pending")
    await told.apply()
    assert await told.ends() == ("open", "rejected", "bounced")
    accepted, failed = SendResult(DeliveryStatus.ACCEPTED), SendResult(DeliveryStatus.FAILED, "gave_up")
    async with told.platform.engine.begin() as connection:
        known = [KnownDelivery(None, "email", accepted), KnownDelivery(None, "telegram", failed)]
        recorded = await record(connection, told.notification_id, known)
    assert recorded is not None
    result = recorded.result
    assert (result.status, result.email, result.email_reason) == ("undelivered", "rejected", "bounced")
    assert await told.ends() == ("undelivered", "rejected", "bounced")


async def test_each_message_is_marked_by_what_it_was(told: Told, mailbox: Mailbox, database_url: str) -> None:
    mailbox.put(await told.tagged(await told.report(changed=NO_SUCH_USER)))
    mailbox.put(await told.tagged(await told.report("exim")), flags="")
    mailbox.put(b"Subject: I am on holiday\r\n\r\n")
    mailbox.put(await told.report(changed={"action": "delayed"}), flags="R")
    strange = mailbox.put(await told.report(message_id="<other@x.example>", notification_id=0))
    torn = mailbox.put(b"Return-Path: <>\r\nSubject: odd\r\n\r\nSomething is odd")
    mailbox.put(await told.report("exchange"), flags="S")
    found, told_of = await counts(mailbox, database_url)
    assert found == {"bounced": 1, "unchanged": 1, "ignored": 2, "unmatched": 2}
    assert mailbox.flags() == ["S", "S", "S", "RS", "F", "F", "S"]
    [unknown, unreadable] = told_of.splitlines()
    assert unknown.startswith(f"{strange}: matches no notification in the database")
    assert unreadable.startswith(f"{torn}: the report is not understood")
    assert ANNA not in told_of.lower()
    assert await counts(mailbox, database_url) == ({}, "")


async def test_a_run_that_was_cut_off_before_the_mark_is_repeated_without_harm(
    told: Told, mailbox: Mailbox, database_url: str
) -> None:
    report = await told.tagged(await told.report())
    mailbox.put(report)
    assert (await counts(mailbox, database_url))[0] == {"bounced": 1}
    before = await told.platform.rows("SELECT * FROM deliveries ORDER BY id")
    mailbox.put(report)
    assert (await counts(mailbox, database_url))[0] == {"unchanged": 1}
    assert await told.platform.rows("SELECT * FROM deliveries ORDER BY id") == before


async def test_a_message_that_must_wait_stays_new(told: Told, mailbox: Mailbox, database_url: str) -> None:
    await told.deliveries_are("email", status="sending")
    mailbox.put(await told.report())
    assert (await counts(mailbox, database_url))[0] == {"under_way": 1}
    assert mailbox.flags() == ["new"]


async def test_with_the_database_away_every_message_stays(told: Told, mailbox: Mailbox) -> None:
    mailbox.put(await told.report())
    ended = await read(mailbox, f"postgresql://u:p@{NOBODY_LISTENS}/x")
    assert (ended.status, ended.out, "cannot reach PostgreSQL" in ended.err) == (1, "", True)
    assert mailbox.flags() == ["new"]


async def test_for_people_it_is_one_line(told: Told, mailbox: Mailbox, database_url: str) -> None:
    mailbox.put(await told.tagged(await told.report()))
    ended = await read(mailbox, database_url)
    assert (ended.status, ended.err) == (0, "")
    assert ended.out == (
        "1 bounced, 0 bounced without proof, 0 complaints, 0 already known, 0 not accepted yet, 0 not bounces, "
        "0 flagged for you.\n"
    )


async def test_a_folder_that_is_no_maildir_is_a_wrong_argument(tmp_path: Path, database_url: str) -> None:
    for folder in (tmp_path, tmp_path / "nowhere"):
        ended = await cli("bounces", "--maildir", str(folder), environment={"DATABASE_URL": database_url})
        assert (ended.status, ended.out) == (2, "")
        assert str(folder) in ended.err
    assert (await cli("bounces")).status == 2


async def test_an_empty_maildir_is_all_zero(mailbox: Mailbox, database_url: str) -> None:
    ended = await read(mailbox, database_url, "--json")
    assert (ended.status, ended.json) == (0, NOTHING)


async def test_a_bounce_is_seen_by_operators_who_correct_the_address_and_send_again(
    scene: Scene, mailbox: Mailbox, database_url: str
) -> None:
    """With the mail as it was really sent."""
    scene = scene.with_settings(smtp_bounce_address=SIGNED["SMTP_BOUNCE_ADDRESS"], unsubscribe_secret=SecretStr(KEY))
    await scene.due_project()
    await scene.scan_and_send()
    [mail] = scene.sink.messages
    report = bounced(
        message_id=str(mail.message_id),
        notification_id=int(mail.notification_id or 0),
        written_at=mail.message["Date"].datetime,
        changed=NO_SUCH_USER | {"final-recipient": f"rfc822; {EMAIL}"},
    )
    mailbox.put(sent_to(mail.sender.upper(), report))
    assert (await counts(mailbox, database_url))[0] == {"bounced": 1}
    assert await scene.ends() == ("delivered", "rejected", "accepted")
    email = await delivery_id(scene, "email")
    refused = await operate(scene, "resend", email, *WHY)
    assert (refused.status, f"unsuppress email {EMAIL}" in refused.err) == (1, True)

    await scene.platform.readdress("email", "new@customer.example")
    async with scene.worker():
        assert (await operate(scene, "resend", email, *WHY)).status == 0
        await scene.children_end()
    assert [mail.recipients for mail in scene.sink.messages] == [(EMAIL,), ("new@customer.example",)]
    assert await scene.ends() == ("delivered", "accepted", "accepted")


async def test_a_bounce_while_telegram_is_still_being_tried_is_in_the_record_at_the_end(
    scene: Scene, mailbox: Mailbox, database_url: str
) -> None:
    scene.telegram.always("request", server_error())
    await scene.due_project()
    async with scene.worker():
        await scene.scan()
        await scene.delivery_becomes("email", "accepted")
        [mail] = scene.sink.messages
        mailbox.put(bounced(message_id=str(mail.message_id), written_at=mail.message["Date"].datetime))
        assert (await counts(mailbox, database_url))[0] == {"unproven": 1}
        scene.telegram.clear()
        await scene.children_end()
    assert await scene.ends() == ("delivered", "rejected", "accepted")
    assert (await scene.delivery("email")).reason == "bounce_unproven"
