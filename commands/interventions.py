"""`resolve`, `resend`, `suppressions`, `unsuppress`: what operators decide by hand, with who and why."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Literal, assert_never

from channels.configured import deliveries_to_send, require_a_channel
from channels.registry import find_channel
from commands.output import print_json, print_line, print_page
from commands.running import OK, CommandFailed, complain, database, temporal_client, temporal_errors
from contracts.keys import NotificationType, give_up_at
from contracts.scanning import StartableNotification
from contracts.sending import DeliveryStatus, Reason, ReopenedDelivery
from db.operators import interventions, suppressions
from db.record import reopen
from db.record.reopen import Subject
from settings import Settings, SettingsError
from temporal.start import start_and_mark

Check = Callable[[Subject], str | None]
"""Why it cannot be done; None: it can."""


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
    """Takes a delivery in doubt for accepted."""
    settings = Settings.load()
    async with database(settings) as engine, engine.begin() as connection:
        subject = _existing(await reopen.read(connection, delivery_id), delivery_id)
        _refuse_unless(subject, _in_doubt)
        await reopen.confirm(connection, subject)
        await interventions.note(connection, subject, "resolve-accepted", operator, why)
    _print(subject, "accepted", as_json)
    return OK


async def send_again(
    delivery_id: int, action: Literal["resend", "resolve-resend"], operator: str, why: str, *, as_json: bool
) -> int:
    """Reopens a delivery and has its workflow try it. With Temporal away the next scan has."""
    settings = Settings.load()
    require_a_channel(settings)
    now = datetime.now(UTC)
    async with database(settings) as engine:
        async with engine.begin() as connection:
            subject = _existing(await reopen.read(connection, delivery_id), delivery_id)
            deadline = give_up_at(subject.notification_type, now, subject.item_ends_at, settings.give_up_after)
            _refuse_unless(
                subject,
                _in_doubt if action == "resolve-resend" else _ended_without_doubt,
                lambda subject: _reachable(subject, deadline, now),
            )
            await reopen.reopen(connection, subject, deadline)
            await interventions.note(connection, subject, action, operator, why)
        try:
            client = await temporal_client()
            async with temporal_errors():
                reopened = ReopenedDelivery(subject.delivery_id, subject.channel)
                startable = _startable(subject, deadline, settings)
                await start_and_mark(client, settings, engine, startable, reopened=reopened)
        except (CommandFailed, SettingsError) as error:
            complain(f"{error}. The delivery is reopened: the next scan sends it.")
    _print(subject, "pending", as_json)
    return OK


def _startable(subject: Subject, deadline: datetime, settings: Settings) -> StartableNotification:
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
        deliveries=deliveries_to_send(settings)(subject.company_id, subject.deliveries),
    )


def _existing(subject: Subject | None, delivery_id: int) -> Subject:
    if subject is None:
        raise CommandFailed(f"there is no delivery {delivery_id}; `cli.py deliveries` lists them by id")
    return subject


def _refuse_unless(subject: Subject, *checks: Check) -> None:
    for check in checks:
        if (reason := check(subject)) is not None:
            raise CommandFailed(f"delivery {subject.delivery_id}: {reason}")


def _in_doubt(subject: Subject) -> str | None:
    if subject.status is DeliveryStatus.UNKNOWN:
        return None
    return f"it is {subject.status}, not unknown: there is no doubt to resolve"


def _ended_without_doubt(subject: Subject) -> str | None:
    match subject.status:
        case DeliveryStatus.REJECTED | DeliveryStatus.FAILED | DeliveryStatus.SKIPPED:
            return None
        case DeliveryStatus.UNKNOWN:
            return "it is in doubt: `resolve` it, with --resend if it is to be sent again all the same"
        case DeliveryStatus.ACCEPTED:
            return "it was accepted: it would be sent twice"
        case DeliveryStatus.PENDING | DeliveryStatus.SENDING:
            return f"it is {subject.status}: its workflow is still trying"
        case _:
            assert_never(subject.status)


def _reachable(subject: Subject, deadline: datetime, now: datetime) -> str | None:
    if subject.suppressed and subject.notification_type is not NotificationType.TEST:
        unsuppress = f"`unsuppress {subject.channel} {subject.recipient}`"
        if subject.suppressed == Reason.UNSUBSCRIBED:
            return f"{subject.recipient} has unsubscribed: only if they ask for mails again, {unsuppress}"
        return f"{subject.recipient} is switched off: correct the address, or {unsuppress}"
    if deadline <= now:
        return f"its item ended at {deadline:%Y-%m-%d %H:%M} UTC: a warning would be pointless"
    return None


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
    """Addresses and chats that are used no more, with the provider's words."""
    settings = Settings.load()
    async with database(settings) as engine, engine.connect() as connection:
        rows = await suppressions.list_suppressions(connection, limit + 1, channel)
    print_page(rows, limit, _SUPPRESSION_COLUMNS, as_json)
    return OK


async def unsuppress(channel: str, address: str, operator: str, why: str, *, as_json: bool) -> int:
    """Uses an address or chat again."""
    settings = Settings.load()
    async with database(settings) as engine, engine.begin() as connection:
        lifted = await suppressions.lift(connection, channel, _key(channel, address), operator, why)
    if not lifted:
        raise CommandFailed(f"{channel} {address} is not switched off; `cli.py suppressions` lists what is")
    if as_json:
        print_json({"channel": channel, "address": address})
    else:
        print_line(f"{channel} {address} is used again. What was refused meanwhile: `cli.py resend ID`.")
    return OK


def _key(name: str, address: str) -> str:
    """The address as suppressions compare it. What its channel takes for no address is looked for as it was given."""
    channel = find_channel(name)
    try:
        return address if channel is None else channel.address_key(address)
    except ValueError:
        return address
