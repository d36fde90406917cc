"""`erase`: nothing in any table names the company any more, and the rows are all there."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

from contracts.keys import NotificationType
from contracts.sending import DeliveryStatus, Evidence, KnownDelivery, SendResult
from db.operators import suppressions
from db.record import attempt, refusals, settle
from db.record.attempt import SentText
from db.record.bounced import Bounce, Complaint, FailedRecipient, Proof, Result, apply_bounce, apply_complaint
from db.record.claim import Claim, claim_delivery
from db.record.open import AddressedNotification, open_addressed
from local.stand_ins.smtp_actions import Reply
from temporal.ending import end_workflows
from tests.replay.test_histories import _strings as strings
from tests.support.command_line import delivery_id, operate
from tests.support.everything import counts, dump
from tests.support.scene import PATIENCE, Scene

ANNA = "anna.harbour@customer.example"
CHAT = 7700770077
FORMER = "former.harbour@customer.example"
PERSONAL = (
    *("harbour-museum", "harbour museum", "harbour-walk", "harbour walk", "harbour-bow", "bow of the harbour"),
    *(ANNA, FORMER, str(CHAT), "annas label", "tag-of-anna", "note of anna", "dear"),
)
"""In lower case, as the dump is read."""
SLUGS = ("harbour-museum", "harbour-walk", "harbour-bow")
GDPR = ("--why", "request of 25 November", "--by", "bob")


async def museum(scene: Scene) -> int:
    """A company that is found in every table, beside another one that has nothing to do with it."""
    company = await scene.platform.company(
        slug="harbour-museum", name="Harbour Museum", contact_email=ANNA, telegram_chat_id=CHAT
    )
    await scene.platform.contact(company, "sms", "+491700000", label="Annas label", source="api")
    project = await scene.platform.project(
        company, slug="harbour-walk", name="Harbour Walk", tags=["tag-of-anna"], metadata_={"note": "note of Anna"}
    )
    await scene.platform.content(company, project, slug="harbour-bow", title="Bow of the Harbour")
    other = await scene.platform.company(slug="mill", name="Mill", contact_email="mill@customer.example")
    await scene.platform.project(other, slug="mill-tour", name="Mill Tour")
    return company


async def said_elsewhere(scene: Scene, company: int) -> None:
    """What other tables say of the company: operators, providers, alerts and tests."""
    async with scene.platform.engine.begin() as connection:
        for number, (message, is_open) in enumerate(
            [("- harbour-bow: no notification", False), ("harbour-walk", True)]
        ):
            alert = AddressedNotification(
                *(NotificationType.ALERT, f"alert.x.{number}", datetime.now(UTC), {"email": "admin@own.example"}),
                subject="Untold: harbour-walk",
                message=message,
                html=f"<p>{message}</p>",
            )
            await open_addressed(connection, alert)
            if not is_open:
                await connection.exec_driver_sql(
                    "UPDATE notifications SET status = 'delivered', finished_at = now() WHERE dedupe_key = 'alert.x.0'"
                )
        test = AddressedNotification(
            NotificationType.TEST, "test.of-anna", datetime.now(UTC), {"email": ANNA}, {}, "Dear", "Dear Anna"
        )
        of_test = (await open_addressed(connection, test)).notification_id
    execute = scene.platform.execute
    await execute(
        "INSERT INTO requested_tests (api_key, idempotency_key, fingerprint, notification_id)"
        " VALUES ('k', 'dear-anna', 'x', :id)",
        id=of_test,
    )
    await execute(
        "INSERT INTO interventions (action, operator, why, channel, address, before) VALUES"
        " ('unsuppress', 'bob', 'Anna of the Harbour Museum rang', 'email', :anna, '{}'),"
        " ('renew', 'bob', 'as told', NULL, NULL, '{\"ar_content\": \"harbour-bow\"}')",
        anna=ANNA,
    )
    await execute(
        "INSERT INTO suppressions (channel, address, reason, provider_reply, notification_id)"
        " SELECT 'email', :former, 'unsubscribed', 'gone: ' || :former, min(id) FROM notifications"
        " WHERE company_id = :company",
        former=FORMER,
        company=company,
    )
    await execute("INSERT INTO pauses (operator, why, resumed_at) VALUES ('bob', 'Harbour Museum complains', now())")
    await execute("INSERT INTO problems (code, subject) VALUES ('untold', 'Untold: harbour-walk')")


async def personal_in(scene: Scene) -> dict[str, list[str]]:
    """The tables that name the company, and by what."""
    found = {}
    for table, rows in (await dump(scene.platform)).items():
        if named := [each for each in PERSONAL if each in rows.lower()]:
            found[table] = named
    return found


async def test_no_table_names_it_any_more_and_every_row_is_there(scene: Scene) -> None:
    company = await museum(scene)
    await scene.scan_and_send()
    await scene.platform.execute(
        "UPDATE deliveries SET recipient = :former WHERE channel = 'telegram' AND notification_id = 1", former=FORMER
    )
    await said_elsewhere(scene, company)
    tables = {"companies", "contacts", "projects", "ar_contents", "notifications", "deliveries", "suppressions"}
    others = {"interventions", "pauses", "problems", "requested_tests"}
    assert (await personal_in(scene)).keys() == tables | others
    before = await counts(scene.platform)
    ended = await operate(scene, "erase", "harbour-museum", "--yes", *GDPR)
    assert ended.status == 0, ended.err
    assert ended.json == {
        "company_id": company,
        "ended": 1,
        "notifications": 1,
        "others": 3,
        "suppressions": 1,
        "unsubscribed": 1,
    }
    said = (
        "Rows that are not the company's own, but name it: 2 alerts and tests, 1 interventions, 1 pauses, 1 problems."
    )
    assert said in ended.err
    assert "'harbour-walk'" in ended.err
    assert await personal_in(scene) == {}
    assert await counts(scene.platform) == before | {"suppressions": 0, "interventions": before["interventions"] + 1}
    [entry] = await scene.platform.rows("SELECT * FROM interventions WHERE action = 'erase'")
    assert (entry["operator"], entry["why"], entry["company_id"]) == ("bob", "request of 25 November", company)
    mill = (await dump(scene.platform))["deliveries"]
    assert "mill@customer.example" in mill
    assert "Mill Tour" in mill
    [email] = await scene.platform.rows("SELECT d.* FROM deliveries d WHERE channel = 'email' AND notification_id = 1")
    assert (email["status"], email["reason"], email["provider_reply"]) == ("accepted", None, "250 2.0.0")
    assert len(email["text_sha256"]) == len(email["html_sha256"]) == 32
    assert "Untold: (erased)" in (await dump(scene.platform))["notifications"]  # an alert that is still to be sent
    again = await operate(scene, "erase", str(company), "--yes", *GDPR)
    assert (again.status, again.json["ended"], again.json["suppressions"]) == (0, 0, 0), again.err
    assert await scene.platform.scalar("SELECT count(*) FROM interventions WHERE why = 'request of 25 November'") == 2


async def test_the_histories_name_nobody_but_by_slug(scene: Scene) -> None:
    """A slug is a search attribute: it goes with the history, after the namespace's retention."""
    await museum(scene)
    async with scene.worker():
        await scene.scan()
        await scene.children_end()
        ended = await operate(scene, "erase", "harbour-museum", "--yes", *GDPR)
        assert ended.status == 0, ended.err
    async for workflow in scene.client.list_workflows():
        history = (await scene.history(workflow.id, workflow.run_id)).to_json_dict()
        said = "\n".join(strings(history)).lower()
        assert [each for each in PERSONAL if each in said and each not in SLUGS] == []


async def deliveries_of(scene: Scene, company: int) -> list[tuple[Any, ...]]:
    rows = await scene.platform.rows(
        "SELECT d.channel, d.status, d.reason, d.recipient FROM deliveries d JOIN notifications n"
        " ON n.id = d.notification_id WHERE n.company_id = :company ORDER BY d.id",
        company=company,
    )
    return [tuple(row.values()) for row in rows]


async def test_what_is_under_way_is_ended_first_and_nothing_is_sent_after_it(scene: Scene) -> None:
    """The mail waits for greylisting; Telegram's message is in flight, and nobody knows whether it arrived."""
    company = await scene.platform.company(slug="harbour-museum", contact_email=ANNA, telegram_chat_id=CHAT)
    await scene.platform.project(company)
    scene.sink.always("rcpt", Reply(450, "4.2.0 greylisted"))
    held = scene.telegram.hold("request")
    async with scene.worker():
        await scene.scan()
        await asyncio.wait_for(held.reached.wait(), PATIENCE)
        await scene.put_off("email", "smtp_rcpt_450")
        ended = await operate(scene, "erase", str(company), "--yes", *GDPR)
        assert (ended.status, ended.json["ended"]) == (0, 1), ended.err
        held.release()
        status = (await (await scene.child()).describe()).status
        assert status is not None
        assert status.name == "CANCELED"
        scene.sink.always("rcpt", Reply(250, "ok"))
        await scene.scan()
    assert scene.sink.messages == []
    assert await deliveries_of(scene, company) == [
        ("email", "failed", "cancelled", None),
        ("telegram", "unknown", "cancelled", None),
    ]
    assert (await scene.notification()).status == "in_doubt"
    assert await personal_in(scene) == {}
    resent = await operate(scene, "resend", await delivery_id(scene, "email"), "--why", "x", "--by", "bob")
    assert (resent.status, "its company is erased" in resent.err) == (1, True)


async def test_without_a_worker_its_workflows_are_terminated(scene: Scene) -> None:
    company = await scene.platform.company(slug="harbour-museum", contact_email=ANNA)
    await scene.platform.project(company)
    scene.sink.always("rcpt", Reply(450, "4.2.0 greylisted"))
    async with scene.worker():
        await scene.scan()
        await scene.put_off("email", "smtp_rcpt_450")
    child = await scene.child()
    await end_workflows(scene.client, [child.id, "there-is-none"], "erased", patience=0.1)
    status = (await child.describe()).status
    assert status is not None
    assert status.name == "TERMINATED"


async def test_what_was_opened_before_it_is_never_sent(scene: Scene) -> None:
    company = await museum(scene)
    await scene.platform.notification(1)
    assert (await operate(scene, "erase", "harbour-museum", "--yes", *GDPR)).status == 0
    async with scene.worker():
        await scene.scan()
        await scene.deactivate()
    assert [each for each in scene.sink.messages if "harbour" in str(each).lower()] == []
    assert {status for _, status, _, _ in await deliveries_of(scene, company)} == {"failed"}


async def test_a_delivery_that_a_moved_project_took_along_is_emptied_too(scene: Scene) -> None:
    await museum(scene)
    await scene.platform.notification(1)
    await scene.platform.execute(
        "UPDATE deliveries SET status = 'failed', reason = 'terminated', recipient = :a, body = 'Dear Anna'", a=ANNA
    )
    await scene.platform.execute(
        "UPDATE notifications SET company_id = 2, project_id = 2, status = 'undelivered', finished_at = now()"
    )
    assert (await operate(scene, "erase", "harbour-museum", "--yes", *GDPR)).status == 0
    assert await personal_in(scene) == {}
    assert {each.status for each in await scene.platform.deliveries()} == {"failed"}


async def test_what_another_company_has_too_stays_and_is_still_suppressed(scene: Scene) -> None:
    await scene.platform.company(slug="harbour-museum", contact_email=ANNA)
    await scene.platform.company(slug="mill", contact_email=ANNA)
    suppress = "INSERT INTO suppressions (channel, address, reason) VALUES ('email', :address, 'smtp_rcpt_550')"
    await scene.platform.execute(suppress, address=ANNA)
    assert (await operate(scene, "erase", "harbour-museum", "--yes", *GDPR)).json["suppressions"] == 0
    assert await scene.platform.scalar("SELECT count(*) FROM suppressions") == 1
    assert await scene.platform.scalar("SELECT count(*) FROM contacts WHERE address = :address", address=ANNA) == 1


async def test_what_it_refuses_changes_nothing(scene: Scene) -> None:
    await museum(scene)
    before = await dump(scene.platform)
    refused = {
        ("harbour-museum", *GDPR): "nothing was erased: answer y, or give --yes",
        ("harbour-museum", "--yes", "--why", "Harbour Museum asked", "--by", "bob"): "--why is kept",
    }
    for arguments, line in refused.items():
        ended = await operate(scene, "erase", *arguments)
        assert (ended.status, line in ended.err) == (1, True), ended.err
    nobody = await operate(scene, "erase", "nobody", "--yes", *GDPR)
    assert (nobody.status, nobody.err) == (2, "cli: there is no company 'nobody': give its slug or its id\n")
    away = await operate(scene, "erase", "harbour-museum", "--yes", *GDPR, TEMPORAL_ADDRESS="127.0.0.1:9")
    assert away.status == 1
    assert await dump(scene.platform) == before


async def in_flight(scene: Scene, notification_id: int, channel: str) -> Claim:
    """An attempt that has begun its irrevocable step. Its worker is frozen then."""
    async with scene.platform.engine.begin() as connection:
        claim = await claim_delivery(
            connection,
            notification_id,
            channel,
            delivery_id=None,
            run_id="run",
            attempt=1,
            configured=True,
            resend_in_doubt=False,
        )
        assert claim is not None
        assert await attempt.mark_sending(connection, claim, SentText("Dear", "Dear Anna", provider_id=None))
    return claim


async def of_test(scene: Scene) -> int:
    async with scene.platform.engine.begin() as connection:
        test = AddressedNotification(
            NotificationType.TEST, "test.of-anna", datetime.now(UTC) + timedelta(days=1), {"email": ANNA}
        )
        return (await open_addressed(connection, test)).notification_id


SAYS_ANNA = f"550 5.1.1 <{ANNA}>: dear Anna of harbour-museum is not here"


async def test_an_answer_that_comes_after_it_leaves_its_codes_only(scene: Scene) -> None:
    """A mail that was accepted bounces late, and frozen workers go on."""
    await museum(scene)
    notice, test = await scene.platform.notification(1), await of_test(scene)
    accepted = [await in_flight(scene, notice, "email"), await in_flight(scene, test, "email")]
    frozen = await in_flight(scene, notice, "telegram")
    async with scene.platform.engine.begin() as connection:
        for claim in accepted:
            await attempt.accept(connection, claim, f"<{claim.dedupe_key}@own.example>", f"250 2.0.0 <{ANNA}> ok")
    assert (await operate(scene, "erase", "harbour-museum", "--yes", *GDPR)).status == 0
    emptied = await scene.platform.rows("SELECT id, texts_removed_at FROM notifications ORDER BY id")
    assert all(each["texts_removed_at"] for each in emptied)

    failed = FailedRecipient(frozenset({ANNA}), f"5.1.1 smtp; {SAYS_ANNA}", gone=True)
    async with scene.platform.engine.begin() as connection:
        for claim in accepted:
            proof = Proof(claim.delivery_id, lambda recipient: recipient == ANNA)
            message_id = f"<{claim.dedupe_key}@own.example>"
            bounce = Bounce((failed,), message_id, None, None)
            assert await apply_bounce(connection, bounce, "email", [proof]) is Result.UNPROVEN
            complaint = Complaint(SAYS_ANNA, message_id, claim.notification_id)
            assert await apply_complaint(connection, complaint, "email", [proof]) is Result.UNMATCHED
            await suppressions.suppress(connection, claim.delivery_id, ANNA, "smtp_rcpt_550", SAYS_ANNA)
            await suppressions.unsubscribe(connection, claim.delivery_id, ANNA)
        assert await refusals.note(connection, frozen, SAYS_ANNA, timedelta(hours=1)) == []
        assert await attempt.accept(connection, frozen, "4711", f"200 {SAYS_ANNA}")
    emails = await scene.platform.deliveries("email")
    assert {(each.status, each.reason, each.provider_reply) for each in emails} == {
        ("rejected", "bounce_unproven", "5.1.1")
    }
    [chat] = [each for each in await scene.platform.deliveries("telegram") if each.id == frozen.delivery_id]
    assert (chat.status, chat.provider_id, chat.provider_reply) == ("accepted", "4711", "200")
    assert await personal_in(scene) == {}
    assert await scene.platform.rows("SELECT id, texts_removed_at FROM notifications ORDER BY id") == emptied
    assert await scene.platform.scalar("SELECT count(*) FROM suppressions") == 0


async def test_no_refusal_or_record_of_a_frozen_worker_brings_words_back(scene: Scene) -> None:
    await museum(scene)
    notice = await scene.platform.notification(1)
    frozen = await in_flight(scene, notice, "telegram")
    assert (await operate(scene, "erase", "harbour-museum", "--yes", *GDPR)).status == 0
    again = "UPDATE deliveries SET status = 'sending' WHERE id = :id"
    for words in (attempt.release, attempt.reject):
        await scene.platform.execute(again, id=frozen.delivery_id)
        async with scene.platform.engine.begin() as connection:
            await words(connection, frozen, "smtp_rcpt_550", SAYS_ANNA)
        [chat] = await scene.platform.deliveries("telegram")
        assert chat.provider_reply == "550 5.1.1"
        assert await personal_in(scene) == {}
    [kept] = chat.earlier_attempts
    assert (kept["reason"], kept["reply"]) == ("smtp_rcpt_550", "550 5.1.1")
    old_payload = SendResult(DeliveryStatus.ACCEPTED, evidence=Evidence("4711", f"250 {SAYS_ANNA}"))
    known = KnownDelivery(frozen.delivery_id, "telegram", old_payload)
    async with scene.platform.engine.begin() as connection:
        assert await settle.record(connection, notice, [known]) is not None
    [chat] = await scene.platform.deliveries("telegram")
    assert (chat.status, chat.provider_reply) == ("accepted", "250")
    assert await personal_in(scene) == {}


async def test_a_late_refusal_still_suppresses_an_address_that_another_company_has(scene: Scene) -> None:
    await museum(scene)
    frozen = await in_flight(scene, await scene.platform.notification(1), "email")
    assert (await operate(scene, "erase", "harbour-museum", "--yes", *GDPR)).status == 0
    await scene.platform.company(slug="agency", contact_email=ANNA)
    async with scene.platform.engine.begin() as connection:
        await suppressions.suppress(connection, frozen.delivery_id, ANNA, "smtp_rcpt_550", SAYS_ANNA)
    [kept] = await scene.platform.rows("SELECT address, provider_reply FROM suppressions")
    assert kept == {"address": ANNA, "provider_reply": "550 5.1.1"}


async def test_ordinary_words_in_others_rows_stay(scene: Scene) -> None:
    """A slug or a title may be any word: it names nobody in a text about something else."""
    company = await scene.platform.company(slug="mail", name="Refused", contact_email=ANNA)
    project = await scene.platform.project(company, slug="7", name="ticket 7")
    await scene.platform.content(company, project, slug="e-mail", title="E-mail")
    other = await scene.platform.company(slug="mill", name="Mill")
    problem = "E-mail is refused: smtp_auth_535"
    async with scene.platform.engine.begin() as connection:
        alert = AddressedNotification(
            *(NotificationType.ALERT, "alert.x", datetime.now(UTC), {"email": "admin@own.example"}),
            *({}, problem, "7 messages wait. The mail server refused them."),
        )
        await open_addressed(connection, alert)
    await scene.platform.execute("INSERT INTO problems (code, subject) VALUES ('smtp_auth_535', :said)", said=problem)
    await scene.platform.execute("INSERT INTO pauses (operator, why, resumed_at) VALUES ('bob', 'ticket 7', now())")
    await scene.platform.execute(
        "INSERT INTO interventions (action, operator, why, company_id, channel, address, before) VALUES"
        " ('unsuppress', 'bob', 'ticket 7, an E-mail was refused', :other, 'email', 'mill@customer.example',"
        '  \'{"ar_content": "7"}\'),'
        " ('unsuppress', 'bob', 'as they asked', :company, 'email', 'old@customer.example', '{}')",
        other=other,
        company=company,
    )
    of_others = "SELECT * FROM interventions WHERE company_id = :other"
    before = (await dump(scene.platform), await scene.platform.rows(of_others, other=other))
    ended = await operate(scene, "erase", "mail", "--yes", "--why", "request of 7 November, by E-mail", "--by", "bob")
    assert (ended.status, ended.json["others"]) == (0, 0), ended.err
    said = "name it: 0 alerts and tests, 0 interventions, 0 pauses, 0 problems. Their text is erased if it has one of"
    assert f"{said} these words: '{ANNA}'.\n" in ended.err
    after = await dump(scene.platform)
    assert {table: after[table] for table in ("problems", "pauses", "notifications", "deliveries")} == {
        table: before[0][table] for table in ("problems", "pauses", "notifications", "deliveries")
    }
    assert await scene.platform.rows(of_others, other=other) == before[1]
    assert "old@customer.example" not in after["interventions"]


async def test_others_lose_only_what_names_it(scene: Scene) -> None:
    """The reason goes, because it may name people. What was done to whom is not about the erased company."""
    await museum(scene)
    await scene.platform.execute(
        "INSERT INTO interventions (action, operator, why, company_id, channel, address, before) VALUES"
        " ('unsuppress', 'bob', 'as for harbour-museum', 2, 'email', 'mill@customer.example',"
        '  \'{"ar_content": "wheel"}\')'
    )
    assert (await operate(scene, "erase", "harbour-museum", "--yes", *GDPR)).status == 0
    [kept] = await scene.platform.rows("SELECT why, address, before FROM interventions WHERE company_id = 2")
    assert kept == {"why": "(erased)", "address": "mill@customer.example", "before": {"ar_content": "wheel"}}
