"""`erase`: nothing in any table names the company any more, and the rows are all there."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

from contracts.keys import NotificationType
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
