"""Companies that are told under one release and under another, and how their deliveries stand.

The SQL here reads the tables of both: those of the models are today's.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from temporalio.api.enums.v1 import WorkflowTaskFailedCause
from temporalio.client import WorkflowExecutionStatus

from local.stand_ins.smtp_actions import Reply
from local.stand_ins.telegram_answers import server_error
from tests.support.quiet import QUIET_NOW, quiet_for
from tests.support.release import Release
from tests.support.scene import PATIENCE, Scene, events
from workflows.start_held import START_HELD

GREYLISTED = Reply(450, "4.2.0 greylisted")
NO_MAILBOX = Reply(550, "5.1.1 no such mailbox")


def refused(why: str) -> Reply:
    """Each in words of its own: the same words for three would be a refusal of the installation."""
    return Reply(554, f"5.6.0 the message is {why}")


@dataclass(frozen=True)
class Company:
    """A company with one project, and what its addresses answer at first. None: they accept."""

    slug: str
    chat: int | None
    mail_enabled: bool = True
    mail_answers: Reply | None = None
    chat_fails: bool = False
    quiet: bool = False

    @property
    def address(self) -> str:
        return f"{self.slug}@customer.example"

    def line(self) -> str:
        hours = quiet_for(QUIET_NOW)
        quiet = f"{hours['quiet_from']:%H:%M}-{hours['quiet_until']:%H:%M}" if self.quiet else ""
        chat = "" if self.chat is None else str(self.chat)
        enabled = str(self.mail_enabled).lower()
        return f"{self.slug},{self.slug},{self.address},{chat},en,{hours['timezone']},{enabled},true,{quiet}"


COMPANIES = (
    Company("told", 1),
    Company("both", 2, mail_answers=GREYLISTED),
    Company("mail-off", 3, mail_enabled=False, chat_fails=True),
    Company("no-chat", None, mail_answers=GREYLISTED),
    Company("resent", 4, mail_answers=refused("unreadable"), chat_fails=True),
    Company("resent-last", 5, mail_answers=refused("malformed"), chat_fails=True),
    Company("resent-later", 6, mail_answers=refused("unwanted"), chat_fails=True),
    Company("gone", 7, mail_answers=NO_MAILBOX, chat_fails=True),
    Company("quiet", 8, quiet=True),
)
COMPANY_COLUMNS = "slug,name,contact_email,telegram_chat_id,locale,timezone,email_enabled,telegram_enabled,quiet_hours"
PROJECT_COLUMNS = (
    "slug,company_slug,name,status,starts_at,expires_at,auto_renew,subscription_type,notify_before_expiry_days,tags,"
    "metadata"
)
Stand = dict[tuple[str, str], tuple[str, str | None]]
"""Status and reason, by the project's slug and the channel."""


async def import_companies(scene: Scene, release: Release, folder: Path, companies: tuple[Company, ...]) -> None:
    """Each with a project of its slug, due now."""
    projects = [f"{each.slug},{each.slug},{each.slug},active,,+3d,false,,,," for each in companies]
    (folder / "companies.csv").write_text("\n".join([COMPANY_COLUMNS, *(each.line() for each in companies), ""]))
    (folder / "projects.csv").write_text("\n".join([PROJECT_COLUMNS, *projects, ""]))
    await release.well(scene, "import", str(folder))


def answer_as_at_first(scene: Scene) -> None:
    for each in COMPANIES:
        if each.mail_answers is not None:
            scene.sink.always("rcpt", each.mail_answers, recipient=each.address)
        if each.chat_fails and each.chat is not None:
            scene.telegram.always("request", server_error(502), recipient=each.chat)


def answer_well(scene: Scene) -> None:
    """All but the mailbox that is gone."""
    scene.sink.clear()
    scene.telegram.clear()
    scene.sink.always("rcpt", NO_MAILBOX, recipient="gone@customer.example")


async def stand(scene: Scene) -> Stand:
    """What has been attempted and is to be attempted again is `waiting`."""
    rows = await scene.platform.rows(
        "SELECT p.slug, d.channel, d.reason,"
        " CASE WHEN d.status = 'pending' AND d.attempts > 0 THEN 'waiting' ELSE d.status END AS status"
        " FROM deliveries d JOIN notifications n ON n.id = d.notification_id JOIN projects p ON p.id = n.project_id"
    )
    return {(row["slug"], row["channel"]): (row["status"], row["reason"]) for row in rows}


async def becomes(scene: Scene, expected: Stand) -> None:
    """Waits until the deliveries stand so."""
    try:
        async with asyncio.timeout(PATIENCE):
            while await stand(scene) != expected:
                await asyncio.sleep(0.05)  # the database tells nobody
    except TimeoutError:
        found = await stand(scene)
        differs = {place: (found.get(place), expected.get(place)) for place in found.keys() | expected.keys()}
        raise AssertionError({place: each for place, each in differs.items() if each[0] != each[1]}) from None


async def delivery_id(scene: Scene, slug: str) -> str:
    """Of a project's e-mail."""
    return str(
        await scene.platform.scalar(
            "SELECT d.id FROM deliveries d JOIN notifications n ON n.id = d.notification_id"
            " JOIN projects p ON p.id = n.project_id WHERE p.slug = :slug AND d.channel = 'email'",
            slug=slug,
        )
    )


async def workflow_ids(scene: Scene) -> dict[str, str]:
    """By the project's slug."""
    rows = await scene.platform.rows(
        "SELECT p.slug, n.workflow_id FROM notifications n JOIN projects p ON p.id = n.project_id"
    )
    return {row["slug"]: row["workflow_id"] for row in rows}


async def all_end(scene: Scene, *, held: bool = False) -> None:
    """Waits until no notification is open and no workflow runs; `held`: one has waited for the end of quiet hours."""
    try:
        async with asyncio.timeout(PATIENCE):
            while await scene.platform.scalar("SELECT count(*) FROM notifications WHERE status = 'open'"):
                await asyncio.sleep(0.05)  # the database tells nobody
            for workflow_id in (await workflow_ids(scene)).values():
                await scene.client.get_workflow_handle(workflow_id).result()
            if held:
                await scene.client.get_workflow_handle(START_HELD).result()
    except TimeoutError:
        raise AssertionError(f"{await troubles(scene)}\n{await stand(scene)}") from None


def mails(scene: Scene) -> Counter[str]:
    return Counter(recipient.partition("@")[0] for mail in scene.sink.messages for recipient in mail.recipients)


def messages(scene: Scene) -> Counter[int | str]:
    return Counter(message.chat_id for message in scene.telegram.messages)


async def troubles(scene: Scene) -> list[str]:
    """Workflows of the namespace that did not complete, and workflow tasks that failed.

    An unhandled command is none: something came while the task ran, and the server has it run once more.
    """
    found: list[str] = []
    well = (WorkflowExecutionStatus.COMPLETED, WorkflowExecutionStatus.CONTINUED_AS_NEW)
    async for execution in scene.client.list_workflows():
        if execution.status not in well:
            found.append(f"{execution.id}: {execution.status and execution.status.name}")
        history = await scene.client.get_workflow_handle(execution.id, run_id=execution.run_id).fetch_history()
        for event in events(history, "WORKFLOW_TASK_FAILED"):
            failed = event.workflow_task_failed_event_attributes
            if failed.cause != WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_UNHANDLED_COMMAND:
                found.append(f"{execution.id}: {WorkflowTaskFailedCause.Name(failed.cause)} {failed.failure.message}")
    return found
