"""What one release began another ends: an earlier one's programs and today's, on the same database and namespace."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from temporalio.api.operatorservice.v1 import ListSearchAttributesRequest

from db.migrate import upgrade
from db.revision import newest_revision
from local.stand_ins.script import Proceed
from tests.support.command_line import WHY
from tests.support.release import TODAY, Release
from tests.support.scene import PATIENCE, Scene
from tests.upgrade import platform
from tests.upgrade.platform import Company, Stand
from workflows import search_attributes

UP = ("migrate",)

AT_THE_STOP: Stand = {
    ("told", "email"): ("accepted", None),
    ("told", "telegram"): ("accepted", None),
    ("both", "email"): ("waiting", "smtp_rcpt_450"),
    ("both", "telegram"): ("accepted", None),
    ("mail-off", "email"): ("skipped", "channel_off"),
    ("mail-off", "telegram"): ("waiting", "telegram_502"),
    ("no-chat", "email"): ("waiting", "smtp_rcpt_450"),
    ("no-chat", "telegram"): ("skipped", "no_address"),
    ("resent", "email"): ("accepted", None),
    ("resent", "telegram"): ("waiting", "telegram_502"),
    ("resent-last", "email"): ("rejected", "smtp_rcpt_554"),
    ("resent-last", "telegram"): ("waiting", "telegram_502"),
    ("resent-later", "email"): ("rejected", "smtp_rcpt_554"),
    ("resent-later", "telegram"): ("waiting", "telegram_502"),
    ("gone", "email"): ("rejected", "smtp_rcpt_550"),
    ("gone", "telegram"): ("waiting", "telegram_502"),
    ("quiet", "email"): ("pending", None),
    ("quiet", "telegram"): ("pending", None),
}
BEFORE_RESENT = AT_THE_STOP | {("resent", "email"): ("rejected", "smtp_rcpt_554")}
RESENT: Stand = {
    ("resent-last", "email"): ("accepted", None),
    ("resent-later", "email"): ("accepted", None),
}
NEVER_SENT: Stand = {
    ("mail-off", "email"): ("skipped", "channel_off"),
    ("no-chat", "telegram"): ("skipped", "no_address"),
    ("gone", "email"): ("rejected", "smtp_rcpt_550"),
}
IN_THE_END: Stand = dict.fromkeys(AT_THE_STOP, ("accepted", None)) | NEVER_SENT
ATTRIBUTES_SINCE = {search_attributes.DELIVERY_OUTCOMES.name: "0004"} | dict.fromkeys(
    (
        search_attributes.COMPANY_SLUG.name,
        search_attributes.PROJECT_SLUG.name,
        search_attributes.CONTENT_SLUG.name,
        search_attributes.WAITING_FOR.name,
    ),
    "0009",
)
"""The first revision of the releases that know a search attribute, if not all do."""
NO_QUIET_HOURS = "UPDATE companies SET quiet_from = NULL, quiet_until = NULL"
A_PAUSE_THAT_IS_OVER = "INSERT INTO pauses (operator, why, resumed_at) VALUES ('anna', 'a bad text', now())"


async def begin(scene: Scene, release: Release, folder: Path) -> None:
    """Its worker scans, starts a child for each company but the one in its quiet hours, and is stopped while nearly all
    of them wait."""
    await release.well(scene, "migrate")
    await platform.import_companies(scene, release, folder, platform.COMPANIES)
    await scene.platform.execute(A_PAUSE_THAT_IS_OVER)
    platform.answer_as_at_first(scene)
    async with release.worker(scene) as worker:
        await release.well(scene, "scan", "--wait")
        await platform.becomes(scene, BEFORE_RESENT)
        await resend(scene, release, "resent")
        await platform.becomes(scene, AT_THE_STOP)
        worker.tell_to_stop()
        assert await worker.exit_status() == 0
    await resend(scene, release, "resent-last")


async def end(scene: Scene, release: Release) -> None:
    """Its worker ends what was begun, and looks for more."""
    async with release.worker(scene) as worker:
        await resend(scene, release, "resent-later")
        await platform.becomes(scene, AT_THE_STOP | RESENT)
        platform.answer_well(scene)
        await scene.platform.execute(NO_QUIET_HOURS)
        await release.well(scene, "resume", "--by", "anna")  # there is no pause; what is held is looked at
        await scene.platform.project(
            await scene.platform.scalar("SELECT id FROM companies WHERE slug = 'gone'"), slug="gone-too"
        )
        await release.well(scene, "scan", "--wait")
        await platform.all_end(scene, held=True)
        worker.tell_to_stop()
        assert await worker.exit_status() == 0


async def resend(scene: Scene, release: Release, slug: str) -> None:
    """The e-mail, which is accepted from now on."""
    scene.sink.always("rcpt", Proceed(), recipient=f"{slug}@customer.example")
    await release.well(scene, "resend", await platform.delivery_id(scene, slug), *WHY)


async def assert_each_was_told_once(scene: Scene) -> None:
    assert await platform.stand(scene) == IN_THE_END | {
        ("gone-too", "email"): ("skipped", "suppressed"),
        ("gone-too", "telegram"): ("accepted", None),
    }
    without_mail = ("mail-off", "gone")
    assert platform.mails(scene) == {each.slug: 1 for each in platform.COMPANIES if each.slug not in without_mail}
    assert platform.messages(scene) == {each.chat: 1 for each in platform.COMPANIES if each.chat} | {7: 2}
    assert not await scene.platform.scalar("SELECT count(*) FROM deliveries WHERE possible_duplicate")
    assert await scene.platform.rows("SELECT DISTINCT status FROM notifications") == [{"status": "delivered"}]
    assert await platform.troubles(scene) == []


async def down_to(scene: Scene, release: Release) -> str:
    return await TODAY.well(scene, "migrate", "--down-to", release.revision)


async def registered(scene: Scene) -> set[str]:
    known = await scene.client.operator_service.list_search_attributes(
        ListSearchAttributesRequest(namespace=scene.client.namespace)
    )
    return {key.name for key in search_attributes.ALL} & set(known.custom_attributes)


async def test_what_the_last_release_began_this_one_ends(scene: Scene, last: Release, tmp_path: Path) -> None:
    await begin(scene, last, tmp_path)
    outcomes = search_attributes.DELIVERY_OUTCOMES
    knew_outcomes = last.revision != "0003"
    assert await registered(scene) == {
        key.name for key in search_attributes.ALL if ATTRIBUTES_SINCE.get(key.name, "0000") <= last.revision
    }
    assert f"from revision {last.revision} to revision {newest_revision()}" in await TODAY.well(scene, *UP)
    await end(scene, TODAY)

    await assert_each_was_told_once(scene)
    assert await registered(scene) == {key.name for key in search_attributes.ALL}
    told_how = {
        slug: (await scene.client.get_workflow_handle(workflow_id).describe()).typed_search_attributes.get(outcomes)
        for slug, workflow_id in (await platform.workflow_ids(scene)).items()
    }
    assert told_how == {slug: ["email:accepted", "telegram:accepted"] for slug in told_how} | {
        "told": ["email:accepted", "telegram:accepted"] if knew_outcomes else None,
        "mail-off": ["email:skipped", "telegram:accepted"],
        "no-chat": ["email:accepted", "telegram:skipped"],
        "gone": ["email:rejected", "telegram:accepted"],
        "gone-too": ["email:skipped", "telegram:accepted"],
    }


async def test_what_this_release_began_the_last_one_ends(scene: Scene, last: Release, tmp_path: Path) -> None:
    await begin(scene, TODAY, tmp_path)
    assert f"from revision {newest_revision()} to revision {last.revision}" in await down_to(scene, last)
    await end(scene, last)

    await assert_each_was_told_once(scene)


@pytest.mark.parametrize("back", [False, True], ids=["there", "back"])
async def test_a_scan_that_waits_for_room_is_continued(scene: Scene, last: Release, tmp_path: Path, back: bool) -> None:
    """Nobody serves the channels at first, so what was started keeps its room."""
    scene = scene.with_settings(scan_max_in_flight=2)
    first, second = (TODAY, last) if back else (last, TODAY)
    companies = tuple(Company(f"company-{number}", number) for number in range(1, 6))
    await first.well(scene, "migrate")
    await platform.import_companies(scene, first, tmp_path, companies)
    async with first.worker(scene, "--queues", "workflows") as worker:
        await first.well(scene, "scan")
        async with asyncio.timeout(PATIENCE):
            while await scene.platform.scalar("SELECT count(*) FROM notifications WHERE started_at IS NOT NULL") < 2:
                await asyncio.sleep(0.05)  # another process does it
        worker.tell_to_stop()
        assert await worker.exit_status() == 0
    assert await scene.platform.scalar("SELECT count(*) FROM notifications WHERE started_at IS NULL") == 3
    await (down_to(scene, last) if back else TODAY.well(scene, *UP))

    async with second.worker(scene):
        result = await scene.client.get_workflow_handle("scan-expiring").result()
        await platform.all_end(scene)
    assert (result["found"], result["opened"], result["started"]) == (5, 5, 5)
    assert platform.mails(scene) == {each.slug: 1 for each in companies}
    assert platform.messages(scene) == {each.chat: 1 for each in companies}
    assert await platform.troubles(scene) == []


OF_ANOTHER_CHANNEL = (
    "INSERT INTO contacts (company_id, channel, address, address_key) SELECT id, 'sms', '+47', '+47' FROM companies",
    (
        "INSERT INTO notifications"
        " (company_id, notification_type, subject, status, give_up_at, dedupe_key, workflow_id)"
        " SELECT id, 'expiring', slug, 'delivered', now(), slug, slug FROM companies"
    ),
    "INSERT INTO deliveries (notification_id, channel, status) SELECT id, 'sms', 'accepted' FROM notifications",
    "INSERT INTO suppressions (channel, address, reason) VALUES ('sms', '+47', 'unsubscribed')",
)


async def test_the_way_down_is_refused_while_there_is_something_of_another_channel(scene: Scene) -> None:
    to_0003 = ("migrate", "--down-to", "0003")
    await upgrade(scene.settings)
    for _ in range(2):
        await scene.platform.company()
    for statement in OF_ANOTHER_CHANNEL:
        await scene.platform.execute(statement)

    refused = await TODAY.cli(scene, *to_0003)
    assert (refused.status, refused.out) == (1, "")
    assert refused.err == (
        "cli: 0003 has no place for what is in the database. 2 contacts are of other channels (sms): delete them first;"
        " 2 deliveries are of other channels (sms): delete them first; 1 suppressions are of other channels (sms):"
        " delete them first.\n"
    )
    assert await scene.platform.scalar("SELECT version_num FROM alembic_version") == newest_revision()
    for table in ("deliveries", "contacts", "suppressions"):
        await scene.platform.execute(f"DELETE FROM {table} WHERE channel = 'sms'")  # noqa: S608 - ours
    assert f"from revision {newest_revision()} to revision 0003" in await TODAY.well(scene, *to_0003)
