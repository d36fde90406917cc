"""For every combination of the ends of two channels: whether the warning is opened again while the item stands as it
stood."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from itertools import product

from contracts.keys import NotificationType, item_name, notification_key
from contracts.sending import DeliveryStatus, Reason
from tests.support.data import Platform, in_days
from tests.support.due_scans import DueScans

End = tuple[str, str | None]

SAID: set[End] = {
    ("pending", None),
    ("pending", "smtp_rcpt_450"),
    ("sending", None),
    ("accepted", None),
    ("accepted", "confirmed_by_operator"),
    ("unknown", "in_doubt"),
    ("unknown", "renewed"),
    ("unknown", "moved"),
    ("unknown", "smtp_timeout"),
}
BECAUSE_OF_THE_ITEM: set[End] = {
    ("skipped", "renewed"),
    ("skipped", "item_not_active"),
    ("skipped", "auto_renew"),
    ("skipped", "moved"),
}
NEITHER: set[End] = {
    ("skipped", "channel_not_configured"),
    ("skipped", "channel_off"),
    ("skipped", "no_address"),
    ("skipped", "suppressed"),
    ("skipped", "unsubscribed"),
    ("skipped", "superseded"),
    ("skipped", "not_requested"),
    ("skipped", "withdrawn"),
    ("failed", "channel_not_configured"),
    ("failed", "gave_up"),
    ("failed", "cancelled"),
    ("failed", "terminated"),
    ("failed", "no_result"),
    ("failed", "workflow_lost"),
    ("failed", "smtp_auth_535"),
    ("failed", "unwritable"),
    ("failed", "internal_error"),
    ("rejected", "invalid_address"),
    ("rejected", "bounced"),
    ("rejected", "bounce_unproven"),
    ("rejected", "smtp_rcpt_550"),
    ("rejected", "bot_blocked"),
}
NO_ENDS = {"paused", "quiet_hours", "complained"}
"""No delivery ends so: nothing is claimed, or an address is suppressed after it got the message."""
STAY = {"cancelled", "terminated"}
"""What an operator has ended is not tried again, even if the notification is opened again for another channel."""


OPEN = {"pending", "sending"}


def combinations() -> list[tuple[End, End]]:
    every = sorted(SAID | BECAUSE_OF_THE_ITEM | NEITHER, key=str)
    return list(product(every, every))


def is_opened_again(both: tuple[End, End]) -> bool:
    return any(end in BECAUSE_OF_THE_ITEM for end in both) and not any(end in SAID for end in both)


def test_the_table_knows_every_reason_and_every_status() -> None:
    known = SAID | BECAUSE_OF_THE_ITEM | NEITHER
    assert {reason for _, reason in known} | NO_ENDS >= {*Reason}
    assert {status for status, _ in known} == {*DeliveryStatus}


async def fill(platform: Platform, wanted: list[tuple[End, End]]) -> dict[int, tuple[End, End]]:
    """A warned project for each combination, all of one company. Returns them by the projects' ids."""
    company = await platform.company()
    await platform.execute(
        "INSERT INTO projects (slug, company_id, name, expires_at)"
        " SELECT 'p' || number, :company, 'x', :ends_at FROM generate_series(1, :count) AS number",
        company=company,
        ends_at=in_days(3),
        count=len(wanted),
    )
    projects = await platform.rows("SELECT id, expires_at FROM projects ORDER BY id")
    ended = {row["id"]: both for row, both in zip(projects, wanted, strict=True)}
    stored = projects[0]["expires_at"]
    rows = [
        {
            "company": company,
            "project": project,
            "ends_at": stored,
            "key": notification_key(NotificationType.EXPIRING, item_name(project), stored, 7),
            "status": "open" if any(status in OPEN for status, _ in both) else "undelivered",
            "email": both[0],
            "telegram": both[1],
        }
        for project, both in ended.items()
    ]
    await platform.execute(
        "WITH row AS (SELECT * FROM json_to_recordset(CAST(:rows AS json)) AS row (company bigint, project bigint,"
        "  ends_at timestamptz, key text, status text, email text[], telegram text[])),"
        " notification AS ("
        "  INSERT INTO notifications (notification_type, company_id, project_id, item_ends_at, threshold_days,"
        "   status, give_up_at, dedupe_key, workflow_id, finished_at)"
        "  SELECT 'expiring', company, project, ends_at, 7, status, ends_at, key, key, now() FROM row"
        "  RETURNING id, company_id, project_id)"
        " INSERT INTO deliveries (notification_id, channel, contact_id, status, reason)"
        " SELECT notification.id, contact.channel, contact.id, said[1], said[2] FROM notification"
        " JOIN row ON row.project = notification.project_id"
        " JOIN contacts contact ON contact.company_id = notification.company_id"
        " CROSS JOIN LATERAL (SELECT CASE contact.channel WHEN 'email' THEN email ELSE telegram END AS said) AS ends",
        rows=json.dumps(rows, default=str),
    )
    return ended


async def test_every_combination_of_two_ends(platform: Platform, scans: DueScans) -> None:
    ended = await fill(platform, combinations())
    now = datetime.now(UTC)
    again = {project for project, both in ended.items() if is_opened_again(both)}
    found = await scans.find(now, page_size=len(ended))
    assert {item.project_id for item in found} == again
    assert len(await scans.open(now, page_size=len(ended))) == len(again)
    assert await scans.find(now, page_size=len(ended)) == []
    after = {
        (row["project_id"], row["channel"]): row
        for row in await platform.rows(
            "SELECT n.project_id, d.channel, d.status, d.reason FROM deliveries d JOIN notifications n"
            " ON n.id = d.notification_id"
        )
    }
    for project, both in ended.items():
        for channel, end in zip(("email", "telegram"), both, strict=True):
            row = after[project, channel]
            expected = ("pending", None) if project in again and end[1] not in STAY else end
            assert (row["status"], row["reason"]) == expected, (both, channel)
