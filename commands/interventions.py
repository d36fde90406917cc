"""`resolve`, `resend`, `suppressions`, `unsuppress`: what operators decide by hand. Who and why is recorded."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Literal, assert_never

from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import Client

from channels.configured import deliveries_to_send, require_a_channel, send_options
from channels.registry import find_channel
from commands.output import print_json, print_line, print_page
from commands.running import FAILED, OK, CommandFailed, complain, database, temporal_client, temporal_errors
from contracts.keys import give_up_at, goes_to_suppressed
from contracts.scanning import StartableNotification
from contracts.sending import DeliveryStatus, Reason, ReopenedDelivery, is_in_doubt
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
        _refuse_unless(subject, _in_doubt)
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
                await start_and_mark(client, send_options(settings), engine, startable, reopened=reopened)
        except (CommandFailed, SettingsError) as error:
            complain(f"{error}. The delivery is reopened; the next scan will send it.")
    _print(subject, "pending", as_json)
    return OK


async def send_again_all(ended: reopen.Ended, operator: str, why: str, *, dry_run: bool, as_json: bool) -> int:
    """Reopens all these deliveries and has their workflows send them. Lifts a suppression that a delivery's own refusal
    caused. May run twice: open deliveries are left as they are."""
    settings = Settings.load()
    require_a_channel(settings)
    async with database(settings) as engine:
        async with engine.connect() as connection:
            found = await reopen.find_ended(connection, ended)
        if dry_run:
            _print_many(found, {}, "would be sent again", as_json=as_json)
            return OK
        client = await _client_or_none()
        left: dict[int, str] = {}
        for delivery_id in found:
            refused = await _send_again(engine, client, settings, delivery_id, operator, why)
            if refused is not None:
                left[delivery_id] = refused
    _print_many([each for each in found if each not in left], left, "reopened", as_json=as_json)
    return FAILED if left and len(left) == len(found) else OK


async def _send_again(
    engine: AsyncEngine, client: Client | None, settings: Settings, delivery_id: int, operator: str, why: str
) -> str | None:
    """Reopens one of many deliveries. Returns why not, or None."""
    now = datetime.now(UTC)
    async with engine.begin() as connection:
        await suppressions.lift_refusal(connection, delivery_id, operator, why)
        subject = _existing(await reopen.read(connection, delivery_id), delivery_id)
        deadline = give_up_at(subject.notification_type, now, subject.item_ends_at, settings.give_up_after)
        refused = _ended_without_doubt(subject) or _reachable(subject, deadline, now)
        if refused is not None:
            await connection.rollback()
            return refused
        await reopen.reopen(connection, subject, deadline)
        await interventions.note(connection, subject, "resend", operator, why)
    if client is not None:
        try:
            async with temporal_errors():
                reopened = ReopenedDelivery(subject.delivery_id, subject.channel)
                startable = _startable(subject, deadline, settings)
                await start_and_mark(client, send_options(settings), engine, startable, reopened=reopened)
        except CommandFailed as error:
            complain(f"{error}. Delivery {delivery_id} is reopened; the next scan will send it.")
    return None


async def _client_or_none() -> Client | None:
    try:
        return await temporal_client()
    except (CommandFailed, SettingsError) as error:
        complain(f"{error}. The next scan will send what is reopened.")
        return None


def _print_many(done: Sequence[int], left: Mapping[int, str], what: str, *, as_json: bool) -> None:
    if as_json:
        print_json({"deliveries": list(done), "left": {str(each): reason for each, reason in left.items()}})
        return
    print_line(f"{len(done)} deliveries {what}.")
    for delivery_id, reason in left.items():
        print_line(f"Delivery {delivery_id} is left as it is: {reason}.")


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


def _in_doubt(subject: Subject) -> str | None:
    if is_in_doubt(subject.status):
        return None
    return f"it is {subject.status}: only an unknown delivery can be resolved"


def _ended_without_doubt(subject: Subject) -> str | None:
    match subject.status:
        case DeliveryStatus.REJECTED | DeliveryStatus.FAILED | DeliveryStatus.SKIPPED:
            return None
        case DeliveryStatus.UNKNOWN:
            return "it is in doubt: use `resolve --resend` to send it again"
        case DeliveryStatus.ACCEPTED:
            return "it was accepted: the recipient would get it twice"
        case DeliveryStatus.PENDING | DeliveryStatus.SENDING:
            return f"it is {subject.status}: its workflow is still trying to send it"
        case _:
            assert_never(subject.status)


def _reachable(subject: Subject, deadline: datetime, now: datetime) -> str | None:
    if subject.company_is_erased:
        return "its company is erased: nothing is sent to it any more"
    if subject.text_is_gone:
        return "its text and recipient were removed after TEXTS_KEEP_DAYS: there is nothing to send"
    if subject.suppressed and not goes_to_suppressed(subject.notification_type):
        unsuppress = f"`unsuppress {subject.channel} {subject.recipient}`"
        if subject.suppressed == Reason.UNSUBSCRIBED:
            return f"{subject.recipient} has unsubscribed: if they ask for e-mails again, run {unsuppress}"
        return f"{subject.recipient} is suppressed: correct the address, or run {unsuppress}"
    if deadline <= now:
        return f"its item ended at {deadline:%Y-%m-%d %H:%M} UTC: it is too late to warn of the end"
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
