"""`resolve ID`, `resend ID`, `suppressions`, `unsuppress`: what operators decide by hand. Who and why is recorded."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Literal

from channels.configured import deliveries_to_send, require_a_channel, send_options
from channels.registry import find_channel
from commands.decidable import ended_without_doubt, in_doubt, reachable
from commands.output import print_json, print_line, print_page
from commands.running import OK, CommandFailed, complain, database, temporal_client, temporal_errors
from contracts.keys import give_up_at
from contracts.scanning import StartableNotification
from contracts.sending import ReopenedDelivery
from db.operators import interventions, suppressions
from db.record import reopen
from db.record.reopen import Subject
from settings import Settings, SettingsError
from temporal.start import start_and_mark

Check = Callable[[Subject], str | None]
"""Returns why it cannot be done, or None if it can."""


_SUPPRESSION_COLUMNS = {
    "channel": "channel",
    "address": "address",
    "companies": "companies",
    "reason": "reason",
    "reply": "provider_reply",
    "notification": "notification_id",
    "since (UTC)": "created_at",
}


async def confirm(delivery_id: int, operator: str, why: str, *, as_json: bool) -> int:
    """Settles a delivery in doubt as accepted."""
    settings = Settings.load()
    async with database(settings) as engine, engine.begin() as connection:
        subject = _existing(await reopen.read(connection, delivery_id), delivery_id)
        _refuse_unless(subject, in_doubt)
        await reopen.confirm(connection, subject)
        await interventions.note(connection, subject, "resolve-accepted", operator, why)
    _print(subject, "accepted", as_json)
    return OK


async def send_again(
    delivery_id: int, action: Literal["resend", "resolve-resend"], operator: str, why: str, *, as_json: bool
) -> int:
    """Reopens a delivery and has its workflow send it. If Temporal is away, the next scan starts the workflow."""
    settings = Settings.load()
    require_a_channel(settings)
    now = datetime.now(UTC)
    async with database(settings) as engine:
        async with engine.begin() as connection:
            subject = _existing(await reopen.read(connection, delivery_id), delivery_id)
            deadline = give_up_at(subject.notification_type, now, subject.item_ends_at, settings.give_up_after)
            _refuse_unless(
                subject,
                in_doubt if action == "resolve-resend" else ended_without_doubt,
                lambda subject: reachable(subject, deadline, now),
            )
            await reopen.reopen(connection, subject, deadline)
            await interventions.note(connection, subject, action, operator, why)
        try:
            client = await temporal_client()
            async with temporal_errors():
                reopened = ReopenedDelivery(subject.delivery_id, subject.channel)
                notification = startable(subject, deadline, settings)
                await start_and_mark(client, send_options(settings), engine, notification, reopened=reopened)
        except (CommandFailed, SettingsError) as error:
            complain(f"{error}. The delivery is reopened; the next scan will send it.")
    _print(subject, "pending", as_json)
    return OK


def startable(subject: Subject, deadline: datetime, settings: Settings) -> StartableNotification:
    """Returns the reopened delivery's notification as `start_and_mark` needs it."""
    return StartableNotification(
        notification_id=subject.notification_id,
        notification_type=subject.notification_type,
        workflow_id=subject.workflow_id,
        give_up_at=deadline,
        company_id=subject.company_id,
        project_id=subject.project_id,
        days_left=subject.days_left,
        ar_content_id=subject.ar_content_id,
        again=True,
        deliveries=deliveries_to_send(settings)(subject.notification_type, subject.company_id, subject.deliveries),
        company_slug=subject.company_slug,
        project_slug=subject.project_slug,
        content_slug=subject.content_slug,
    )


def _existing(subject: Subject | None, delivery_id: int) -> Subject:
    if subject is None:
        raise CommandFailed(f"there is no delivery {delivery_id}; list the deliveries with `cli.py deliveries`")
    return subject


def _refuse_unless(subject: Subject, *checks: Check) -> None:
    for check in checks:
        if (reason := check(subject)) is not None:
            raise CommandFailed(f"delivery {subject.delivery_id}: {reason}")


def _print(subject: Subject, status: str, as_json: bool) -> None:
    if as_json:
        print_json(
            {
                "delivery_id": subject.delivery_id,
                "notification_id": subject.notification_id,
                "workflow_id": subject.workflow_id,
                "before": subject.status,
                "status": status,
            }
        )
    else:
        print_line(
            f"Delivery {subject.delivery_id} ({subject.channel}, notification {subject.notification_id}): "
            f"{subject.status} -> {status}."
        )


async def list_suppressions(channel: str | None, limit: int, *, as_json: bool) -> int:
    """Lists the suppressed addresses, with the provider's reply."""
    settings = Settings.load()
    async with database(settings) as engine, engine.connect() as connection:
        rows = await suppressions.list_suppressions(connection, limit + 1, channel)
    print_page(rows, limit, _SUPPRESSION_COLUMNS, as_json)
    return OK


async def unsuppress(channel: str, address: str, operator: str, why: str, *, as_json: bool) -> int:
    """Lifts the suppression of an address."""
    settings = Settings.load()
    async with database(settings) as engine, engine.begin() as connection:
        lifted = await suppressions.lift(connection, channel, _key(channel, address), operator, why)
    if not lifted:
        raise CommandFailed(f"{channel} {address} is not suppressed; list what is with `cli.py suppressions`")
    if as_json:
        print_json({"channel": channel, "address": address})
    else:
        print_line(
            f"{channel} {address} is no longer suppressed. "
            "To send what was skipped or rejected meanwhile, run `cli.py resend ID`."
        )
    return OK


def _key(name: str, address: str) -> str:
    """The address as suppressions compare it. What its channel takes for no address is looked for as it was given."""
    channel = find_channel(name)
    try:
        return address if channel is None else channel.address_key(address)
    except ValueError:
        return address
