"""A third channel in the application's own processes: worker, API and commands are started with it registered.

All of it lives in `tests/sms_channel`; the company's contact is made by SQL.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from tests.support.api_process import running
from tests.support.calling_api import is_problem
from tests.support.channels_under_test import SmsUnderTest
from tests.support.command_line import WHY, Ended, delivery_id, operate
from tests.support.data import in_days
from tests.support.health_scene import ADMIN, ADMIN_CHAT, HealthScene
from tests.support.scene import CHAT, EMAIL, PATIENCE, Scene
from tests.support.settings_for import API_KEY
from tests.support.worker_process import WorkerProcess, environment, worker_process
from workflows.search_attributes import DELIVERY_OUTCOMES

pytestmark = pytest.mark.usefixtures("sms_registered")

ALL_THREE = ["email", "telegram", "sms"]
ADMIN_NUMBER = "+4915100000001"
CONTACT = (
    "INSERT INTO contacts (company_id, channel, address, address_key, source)"
    " SELECT id, 'sms', :address, :address_key, 'api' FROM companies WHERE id = :company_id"
)
"""As docs/adding-a-channel.md has it."""


@dataclass(frozen=True)
class ThirdChannel:
    """A scene of processes that know the third channel."""

    scene: Scene
    sms: SmsUnderTest

    def worker(self, **more: str) -> AbstractAsyncContextManager[WorkerProcess]:
        return worker_process(self.scene, ("-m", "tests.sms_channel", "worker.py"), **self.sms.environment, **more)

    async def operate(self, *arguments: str) -> Ended:
        """A command, which has to exit 0."""
        program = ("-m", "tests.sms_channel", "cli.py")
        ended = await operate(self.scene, *arguments, program=program, **self.sms.environment)
        assert ended.status == 0, ended.err
        return ended

    @asynccontextmanager
    async def api(self) -> AsyncIterator[httpx.AsyncClient]:
        needed = environment(self.scene.client, self.scene.settings) | self.sms.environment | {"API_PORT": "0"}
        headers = {"X-API-Key": API_KEY}
        async with (
            running(("-m", "tests.sms_channel", "api"), **needed) as api,
            httpx.AsyncClient(base_url=api.url, headers=headers, timeout=30) as http,
        ):
            yield http

    async def due(self) -> int:
        """A project about to end, of a company that is reached by all three."""
        company = await self.scene.platform.company(contact_email=EMAIL, telegram_chat_id=CHAT)
        await self.scene.platform.execute(
            CONTACT, company_id=company, address=self.sms.address, address_key=self.sms.address_key
        )
        return await self.scene.platform.project(company)

    async def sent(self) -> None:
        """A scan by command, and its children to their end."""
        await self.operate("scan", "--wait")
        await self.scene.children_end()

    async def newest(self) -> Any:
        """The newest delivery by SMS."""
        return (await self.scene.platform.deliveries("sms"))[-1]


@pytest.fixture
def third(scene: Scene, sms_registered: SmsUnderTest) -> ThirdChannel:
    return ThirdChannel(scene, sms_registered)


async def test_a_notification_goes_out_by_all_three_and_is_listed(third: ThirdChannel) -> None:
    scene = third.scene
    await third.due()
    async with third.worker(), third.api() as http:
        await third.sent()
        shown = await http.get(f"/notifications/{(await scene.notification()).id}")
        listed = await http.get("/notifications")
    by_command = await third.operate("deliveries", "--channel", "sms")

    assert await scene.ends() == ("delivered", "accepted", "accepted")
    assert (len(scene.sink.to(EMAIL)), len(scene.telegram.to(CHAT))) == (1, 1)
    [text] = third.sms.received()
    assert text.address == third.sms.address
    outcomes = (await (await scene.child()).describe()).typed_search_attributes[DELIVERY_OUTCOMES]
    assert list(outcomes) == ["email:accepted", "sms:accepted", "telegram:accepted"]

    assert shown.status_code == 200
    assert [each["channel"] for each in shown.json()["deliveries"]] == ALL_THREE
    of_sms = shown.json()["deliveries"][-1]
    assert (of_sms["status"], of_sms["recipient"], of_sms["body"], of_sms["subject"]) == (
        "accepted",
        third.sms.address,
        text.text,
        None,
    )
    [flat] = listed.json()["items"]
    assert (flat["status"], flat["email_sent"], flat["telegram_sent"]) == ("delivered", True, True)
    [row] = by_command.json["items"]
    assert (row["channel"], row["status"], row["recipient"]) == ("sms", "accepted", third.sms.address)
    assert str(row["id"]) == await delivery_id(scene, "sms")


async def test_it_tells_alone_where_the_others_cannot(third: ThirdChannel) -> None:
    company = await third.sms.company(third.scene.platform)
    await third.scene.platform.project(company)
    async with third.worker():
        await third.sent()
    assert await third.scene.ends() == ("delivered", "skipped", "skipped")
    assert len(third.sms.received()) == 1
    untold = await third.operate("untold")
    assert untold.json == {"items": []}


async def test_it_is_retried_resolved_resent_and_suppressed_while_the_others_go_on(third: ThirdChannel) -> None:
    sms = third.sms
    async with third.worker():
        sms.refuse_once()
        await third.due()
        await third.sent()
        retried = await third.newest()
        assert (retried.status, retried.attempts, retried.possible_duplicate) == ("accepted", 2, False)

        sms.lose_an_answer()
        await third.due()
        await third.sent()
        lost = await third.newest()
        assert (lost.status, lost.reason, lost.attempts) == ("unknown", "in_doubt", 1)
        in_doubt = await third.operate("deliveries", "--channel", "sms", "--status", "unknown")
        assert [each["id"] for each in in_doubt.json["items"]] == [lost.id]
        await third.operate("resolve", str(lost.id), "--resend", *WHY)
        await third.scene.children_end()
        resolved = await third.newest()
        assert (resolved.status, resolved.possible_duplicate) == ("accepted", True)

        sms.refuse_for_good()
        await third.due()
        await third.sent()
        refused = await third.newest()
        assert (refused.status, refused.reason, refused.attempts) == ("rejected", "sms_422", 1)
        sms.clear()
        await third.operate("resend", str(refused.id), *WHY)
        await third.scene.children_end()
        assert (await third.newest()).status == "accepted"

        sms.say_gone()
        await third.due()
        await third.sent()
        gone = await third.newest()
        assert (gone.status, gone.reason) == ("rejected", "sms_number_gone")
        sms.clear()
        await third.due()
        await third.sent()
        skipped = await third.newest()
        assert (skipped.status, skipped.reason) == ("skipped", "suppressed")

        [suppressed] = (await third.operate("suppressions", "--channel", "sms")).json["items"]
        assert (suppressed["address"], suppressed["reason"]) == (sms.address_key, "sms_number_gone")
        assert len(suppressed["companies"]) == 5
        assert (await third.operate("suppressions", "--channel", "email")).json["items"] == []
        await third.operate("unsuppress", "sms", suppressed["address"], *WHY)
        await third.operate("resend", str(skipped.id), *WHY)
        await third.scene.children_end()
        assert (await third.newest()).status == "accepted"

    assert len(sms.received()) == 1 + 2 + 1 + 1
    others = [each for each in await third.scene.platform.deliveries() if each.channel != "sms"]
    assert [(each.status, each.attempts) for each in others] == [("accepted", 1)] * 10
    assert (len(third.scene.sink.messages), len(third.scene.telegram.messages)) == (5, 5)


async def test_a_test_by_the_api_goes_to_a_number_beside_the_others(third: ThirdChannel) -> None:
    body = {"email": EMAIL, "chat_id": CHAT, "recipients": {"sms": "+4930123456"}, "message": "Can you read this?"}
    async with third.worker(), third.api() as http:
        started = await http.post("/notifications/test", json=body)
        assert started.status_code == 202, started.text
        await third.scene.children_end()
        shown = await http.get(started.headers["Location"])

    deliveries = shown.json()["deliveries"]
    assert [(each["channel"], each["status"], each["recipient"]) for each in deliveries] == [
        ("email", "accepted", EMAIL),
        ("telegram", "accepted", str(CHAT)),
        ("sms", "accepted", "+4930123456"),
    ]
    assert [(each.address, each.text) for each in third.sms.received()] == [("+4930123456", "Can you read this?")]


async def test_the_api_says_which_channels_there_are_and_what_is_wrong_with_a_number(third: ThirdChannel) -> None:
    async with third.api() as http:
        unheard_of = await http.post("/notifications/test", json={"recipients": {"pigeon": "hello"}})
        no_number = await http.post("/notifications/test", json={"recipients": {"sms": "112"}})
        twice = await http.post("/notifications/test", json={"email": EMAIL, "recipients": {"email": EMAIL}})

    for response in (unheard_of, no_number, twice):
        assert is_problem(response, 422), response.text
    assert unheard_of.json()["errors"] == [
        {"field": "recipients", "reason": "'pigeon' is not a channel: choose from email, telegram, sms"}
    ]
    assert no_number.json()["errors"] == [
        {"field": "recipients", "reason": "'112' is not a telephone number such as +49 30 1234567"}
    ]
    assert await third.scene.platform.notifications() == []


async def test_commands_show_what_would_be_sent_by_it_and_who_was_not_told(third: ThirdChannel) -> None:
    project = await third.due()
    due = await third.operate("scan", "--dry-run")
    assert [each["channels"] for each in due.json["items"]] == [ALL_THREE]

    await third.scene.platform.notification(project)
    [untold] = (await third.operate("untold")).json["items"]
    assert {name: untold[name] for name in ALL_THREE} == dict.fromkeys(ALL_THREE, "pending")

    shown = await third.operate("preview", "--channel", "sms", "--type", "expiring", "--locale", "en")
    assert list(shown.json) == ["sms"]
    assert shown.json["sms"].startswith("Old Harbour Walk: ends ")


async def test_the_health_check_names_it_and_its_admin_is_alerted(
    health: HealthScene, sms_registered: SmsUnderTest
) -> None:
    third = ThirdChannel(health.scene, sms_registered)
    scene, sms = third.scene, third.sms
    program = ("-m", "tests.sms_channel", "cli.py")

    async def check() -> Ended:
        return await operate(scene, "check-health", "--wait", program=program, **sms.environment)

    async with third.worker(SMS_ADMIN_NUMBER=ADMIN_NUMBER):
        well = await check()
        assert (well.status, well.json["problems"]) == (0, []), well.err
        await sms.goes_away()
        away = await check()
        assert (away.status, away.json["problems"], away.json["raised"]) == (1, ["sms_away"], ["sms_away"])
        [problem] = (await third.operate("problems")).json["items"]
        assert (problem["code"], problem["channel"]) == ("sms_away", "sms")
        # The others tell at once; the number is told once the gateway is back.
        await scene.sink.wait_for(1, PATIENCE)
        await scene.telegram.wait_for(1, PATIENCE)
        await sms.comes_back()
        back = await check()
        assert (back.status, back.json["problems"], back.json["over"]) == (0, [], ["sms_away"])
        await scene.children_end()

    found, over = await health.subjects()
    assert (found, over) == ("The SMS gateway does not answer", f"Over: {found}")
    assert sorted(mail.subject for mail in scene.sink.to(ADMIN)) == sorted([found, over])
    assert len(scene.telegram.to(ADMIN_CHAT)) == 2
    assert [each.address for each in sms.received()] == [ADMIN_NUMBER] * 2
    assert all(found in each.text for each in sms.received())


async def test_what_nobody_could_be_told_counts_as_untold_with_its_reasons(third: ThirdChannel) -> None:
    third.sms.refuse_for_good()
    company = await third.sms.company(third.scene.platform)
    await third.scene.platform.project(company, expires_at=in_days(2))
    async with third.worker():
        await third.sent()
    [untold] = (await third.operate("untold")).json["items"]
    assert (untold["why"], untold["sms"], untold["email"], untold["telegram"]) == (
        "undelivered",
        "sms_422",
        "no_address",
        "no_address",
    )
