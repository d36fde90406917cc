"""`resend` and `resolve` without an ID: many deliveries at once, to what the receiving side sees."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from local.stand_ins.script import AcceptThenReset
from local.stand_ins.smtp_actions import Reply
from tests.support.command_line import WHY, cli, operate, start
from tests.support.data import Platform
from tests.support.scene import PATIENCE, Scene

FULL = ("mailbox full", "over quota", "no room left")
"""In words of each one's own: the same refusal of three recipients would be taken to be about us."""
PEOPLE = len(FULL)


def address(number: int) -> str:
    return f"person-{number}@customer.example"


async def due_projects(scene: Scene, **company: Any) -> None:
    for number in range(PEOPLE):
        values = {"slug": f"company-{number}", "contact_email": address(number), "telegram_chat_id": 100 + number}
        await scene.due_project(**(values | company))


async def notes(platform: Platform) -> list[tuple[str, str, str, int]]:
    rows = await platform.rows("SELECT action, operator, why, delivery_id FROM interventions ORDER BY delivery_id")
    return [(row["action"], row["operator"], row["why"], row["delivery_id"]) for row in rows]


@pytest.fixture
async def refused(scene: Scene) -> Scene:
    """No mail was taken, because each mailbox was full."""
    for number, words in enumerate(FULL):
        scene.sink.always("rcpt", Reply(550, f"5.2.2 {words}"), recipient=address(number))
    await due_projects(scene, telegram_chat_id=None)
    await scene.scan_and_send()
    scene.sink.clear()
    assert [each.status for each in await scene.platform.deliveries("email")] == ["rejected"] * PEOPLE
    return scene


async def test_all_that_match_are_sent_again_once_and_for_one_reason(refused: Scene) -> None:
    filters = ("--status", "rejected", "--reason", "smtp_rcpt_550", "--since=-1h", "--until=+1h")
    shown = await operate(refused, "resend", *filters, "--dry-run")
    assert shown.status == 0, shown.err
    assert [(each["status"], each["deliveries"]) for each in shown.json["counts"]] == [("rejected", PEOPLE)]
    assert await notes(refused.platform) == []

    async with refused.worker():
        one = await operate(refused, "resend", *filters, "--company", "company-1", *WHY)
        every = await operate(refused, "resend", *filters, *WHY)
        again = await operate(refused, "resend", *filters, *WHY)
        await refused.children_end()
    ids = [each.id for each in await refused.platform.deliveries("email")]
    assert (one.status, every.status, again.status) == (0, 0, 0), one.err + every.err
    assert one.json == {"deliveries": [ids[1]], "left": {}, "not_started": []}
    assert every.json["deliveries"] == [ids[0], ids[2]]
    assert again.json["deliveries"] == []
    assert sorted(mail.recipients for mail in refused.sink.messages) == [(address(n),) for n in range(PEOPLE)]
    assert await notes(refused.platform) == [("resend", "anna", "they rang", each) for each in ids]


async def test_all_doubts_are_taken_for_accepted_or_sent_again(scene: Scene) -> None:
    for _ in range(PEOPLE):
        scene.telegram.on("request", AcceptThenReset())
    await due_projects(scene, contact_email=None)
    await scene.scan_and_send()
    first, *others = [each.id for each in await scene.platform.deliveries("telegram")]
    async with scene.worker():
        accepted = await operate(scene, "resolve", "--accepted", "--recipient", "100", "--since=-1h", *WHY)
        resent = await operate(scene, "resolve", "--resend", "--channel", "telegram", "--since=-1h", *WHY)
        again = await operate(scene, "resolve", "--accepted", "--since=-1h", *WHY)
        await scene.children_end()
    assert accepted.json["deliveries"] == [first], accepted.err
    assert resent.json["deliveries"] == others, resent.err
    assert again.json["deliveries"] == []
    assert {each.status for each in await scene.platform.deliveries("telegram")} == {"accepted"}
    assert [len(scene.telegram.to(100 + number)) for number in range(PEOPLE)] == [1, 2, 2]
    assert [each[0] for each in await notes(scene.platform)] == ["resolve-accepted", "resolve-resend", "resolve-resend"]


async def test_without_temporal_all_are_reopened_and_one_line_says_so(refused: Scene) -> None:
    ended = await operate(refused, "resend", "--since=-1h", *WHY, TEMPORAL_ADDRESS="127.0.0.1:1")
    assert ended.status == 0
    assert len(ended.json["deliveries"]) == len(ended.json["not_started"]) == PEOPLE
    [line] = ended.err.splitlines()
    assert line.endswith("The next scan will send 3 of them.")
    await refused.scan_and_send()
    assert len(refused.sink.messages) == PEOPLE


async def test_a_command_that_is_killed_leaves_each_delivery_decided_or_not(
    platform: Platform, database_url: str
) -> None:
    number = 300
    project = await platform.project(await platform.company())
    for _ in range(number):
        await platform.notification(project, status="in_doubt")
    await platform.execute("UPDATE deliveries SET status = 'unknown', finished_at = now() WHERE channel = 'telegram'")
    command = ("resolve", "--accepted", "--since=-1h", *WHY)
    environment = {"DATABASE_URL": database_url}

    process = await start(*command, environment=environment)
    async with asyncio.timeout(PATIENCE):
        while not await platform.scalar("SELECT count(*) FROM interventions"):
            await asyncio.sleep(0.001)  # the database tells nobody
    process.kill()
    await process.wait()
    decided = await platform.scalar("SELECT count(*) FROM deliveries WHERE status = 'accepted'")
    assert decided == await platform.scalar("SELECT count(*) FROM interventions")

    ended = await cli(*command, "--json", environment=environment)
    assert (ended.status, len(ended.json["deliveries"])) == (0, number - decided), ended.err
    assert len({note[3] for note in await notes(platform)}) == len(await notes(platform)) == number


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("resend", *WHY), "say which deliveries: --since TIME"),
        (("resolve", "--accepted", "--channel", "email", *WHY), "say which deliveries: --since TIME"),
        (("resend", "--since=-1h"), "say why: it is recorded"),
        (("resend", "--since=-1h", "--why", " "), "say why: it is recorded"),
        (("resend", "--since=-1h", "--status", "accepted", *WHY), "can be sent again; for `unknown` use"),
        (("resend", "7", "--since=-1h", *WHY), "give either an ID, or filters"),
        (("resend", "7", "--status", "failed", *WHY), "give either an ID, or filters"),
        (("resolve", "7", "--accepted", "--dry-run", *WHY), "give either an ID, or filters"),
        (("resolve", "--since=-1h", *WHY), "give either --accepted or --resend"),
    ],
)
async def test_a_command_that_says_too_little_or_too_much_is_refused(arguments: tuple[str, ...], said: str) -> None:
    ended = await cli(*arguments)
    assert (ended.status, ended.out) == (2, "")
    assert said in " ".join(ended.err.split())


async def test_a_company_that_does_not_exist_is_named(database_url: str) -> None:
    environment = {"DATABASE_URL": database_url, "SMTP_HOST": "127.0.0.1", "SMTP_FROM_NAME": "N"}
    environment["SMTP_FROM_EMAIL"] = "n@platform.example"
    for more in (WHY, ("--dry-run",)):
        ended = await cli("resend", "--company", "nosuch", *more, environment=environment)
        assert (ended.status, ended.err) == (2, "cli: there is no company 'nosuch': give its slug or its id\n")
