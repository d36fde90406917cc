"""What was left unsaid because of how its item stood is said after all when that is undone, and to whom it belongs."""

from __future__ import annotations

import pytest

from contracts.keys import NotificationType, item_name, notification_key
from tests.support.data import in_days
from tests.support.scene import CHAT, EMAIL, Scene


async def skipped(scene: Scene, change: str) -> None:
    """A notice that is opened, and whose item is changed before it is sent."""
    [row] = await scene.platform.rows("SELECT id, expires_at FROM projects")
    project = row["id"]
    key = notification_key(NotificationType.EXPIRING, item_name(project), row["expires_at"], 7)
    await scene.platform.notification(project, dedupe_key=key, workflow_id=key)
    await scene.platform.execute(change)
    await scene.scan()
    await scene.children_end()


@pytest.mark.parametrize(
    ("change", "undone", "reason"),
    [
        (
            "UPDATE projects SET status = 'archived'",
            "UPDATE projects SET status = 'active'",
            "item_not_active",
        ),
        (
            "UPDATE projects SET auto_renew = true",
            "UPDATE projects SET auto_renew = false",
            "auto_renew",
        ),
        (
            "UPDATE projects SET expires_at = expires_at + interval '400 days'",
            "UPDATE projects SET expires_at = expires_at - interval '400 days'",
            "renewed",
        ),
    ],
    ids=["archived", "renewing itself", "renewed"],
)
async def test_a_change_that_is_undone_does_not_cost_the_warning(
    scene: Scene, change: str, undone: str, reason: str
) -> None:
    await scene.due_project()
    async with scene.worker():
        await skipped(scene, change)
        assert {each.reason for each in await scene.platform.deliveries()} == {reason}
        assert (scene.sink.messages, scene.telegram.messages) == ([], [])
        await scene.platform.execute(undone)
        result = await scene.scan()
        await scene.children_end()
        assert (result.found, result.opened) == (1, 1)
        assert (await scene.scan()).found == 0
    assert await scene.ends() == ("delivered", "accepted", "accepted")
    assert (len(scene.sink.messages), len(scene.telegram.messages)) == (1, 1)


@pytest.mark.parametrize(
    ("company", "other"),
    [
        ({"telegram_chat_id": None}, "no_address"),
        ({"telegram_enabled": False}, "channel_off"),
        ({}, "suppressed"),
        ({}, "unsubscribed"),
        ({}, "channel_not_configured"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_a_renewal_taken_back_does_not_cost_a_company_with_one_channel_its_warning(
    scene: Scene, company: dict[str, object], other: str
) -> None:
    """The other channel's delivery ended first, for a reason of its own."""
    if other == "channel_not_configured":
        scene = scene.with_settings(telegram_bot_token=None)
    await scene.due_project(**company)
    if other in ("suppressed", "unsubscribed"):
        reason = "unsubscribed" if other == "unsubscribed" else "telegram_bot_blocked"
        await scene.platform.execute(
            "INSERT INTO suppressions (channel, address, reason) VALUES ('telegram', :chat, :reason)",
            chat=str(CHAT),
            reason=reason,
        )
    held = scene.sink.hold("data")
    async with scene.worker():
        await scene.scan()
        await held.reached.wait()
        await scene.delivery_becomes("telegram", "skipped")
        await scene.platform.execute("UPDATE projects SET expires_at = expires_at + interval '400 days'")
        held.release()
        await scene.children_end()
        assert [each.reason for each in await scene.platform.deliveries()] == ["renewed", other]
        await scene.platform.execute("UPDATE projects SET expires_at = expires_at - interval '400 days'")
        assert (await scene.scan()).opened == 1
        await scene.children_end()
        assert (await scene.scan()).found == 0
    assert await scene.ends() == ("delivered", "accepted", "skipped")
    assert (await scene.delivery("telegram")).reason == other
    assert (len(scene.sink.messages), scene.telegram.messages) == (1, [])


async def test_a_company_without_any_address_is_not_opened_anew_in_every_scan(scene: Scene) -> None:
    await scene.due_project(contact_email=None, telegram_chat_id=None)
    await scene.scan_and_send()
    async with scene.worker():
        assert (await scene.scan()).found == 0
    assert [each.reason for each in await scene.platform.deliveries()] == ["no_address", "no_address"]
    assert (await scene.notification()).status == "undelivered"


async def test_a_project_that_changes_hands_is_told_to_its_new_company_alone(scene: Scene) -> None:
    await scene.due_project()
    new = await scene.platform.company(contact_email="new@customer.example", telegram_chat_id=4711)
    async with scene.worker():
        await skipped(scene, "UPDATE projects SET company_id = (SELECT max(id) FROM companies)")
        assert {each.reason for each in await scene.platform.deliveries()} == {"moved"}
        await scene.scan()
        await scene.children_end()
    notification = await scene.notification()
    assert (notification.company_id, notification.status) == (new, "delivered")
    assert [each.recipients for each in scene.sink.messages] == [("new@customer.example",)]
    assert [each.chat_id for each in scene.telegram.messages] == [4711]


async def test_content_that_moves_to_another_project_is_told_once(scene: Scene) -> None:
    company = await scene.platform.company(contact_email=EMAIL, telegram_chat_id=CHAT)
    first, _ = [await scene.platform.project(company, expires_at=in_days(400)) for _ in range(2)]
    await scene.platform.content(company, first, expires_at=in_days(5))
    await scene.scan_and_send()
    await scene.platform.execute("UPDATE ar_contents SET project_id = (SELECT max(id) FROM projects)")
    async with scene.worker():
        assert (await scene.scan()).found == 0
    assert len(scene.sink.messages) == 1


async def test_of_two_warnings_that_wait_for_the_mail_server_only_the_tightest_is_sent(scene: Scene) -> None:
    project = await scene.due_project()
    for threshold in (30, 7):
        await scene.platform.notification(project, threshold_days=threshold)
    async with scene.worker():
        await scene.scan()
        await scene.children_end()
    assert [(each.threshold_days, each.status) for each in await scene.platform.notifications()] == [
        (30, "undelivered"),
        (7, "delivered"),
    ]
    assert [each.reason for each in await scene.platform.deliveries()] == ["superseded", "superseded", None, None]
    assert (len(scene.sink.messages), len(scene.telegram.messages)) == (1, 1)


async def test_a_renewal_between_the_claim_and_the_sending_stops_it(scene: Scene) -> None:
    """The mail server asks for the text, and the project is renewed at that moment."""
    held = scene.sink.hold("data")
    await scene.due_project()
    async with scene.worker():
        await scene.scan()
        await held.reached.wait()
        await scene.platform.execute("UPDATE projects SET expires_at = expires_at + interval '400 days'")
        held.release()
        await scene.children_end()
    email = await scene.delivery("email")
    assert (email.status, email.reason) == ("skipped", "renewed")
    assert scene.sink.messages == []
