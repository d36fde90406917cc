"""Which notifications and deliveries an operator means: one meaning for the lists, the commands that send again, and
the API."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Interval,
    Text,
    and_,
    any_,
    cast,
    exists,
    func,
    literal_column,
    not_,
    or_,
    select,
    union_all,
)
from sqlalchemy.dialects.postgresql import ARRAY, array
from sqlalchemy.orm import aliased

from contracts.keys import NotificationType
from contracts.sending import DeliveryStatus, NotificationStatus
from db.items.named import id_of
from db.models import TIMESTAMPTZ, ArContent, Company, Contact, Delivery, Notification, Project
from db.record.said import NEEDLESS

_LONGEST_TRANSACTION = literal_column("interval '1 hour'", Interval())
"""A transaction takes its time when it begins, and its ids later: after it has waited for a lock, for example. What was
opened so long after a moment has a higher id than all that was opened before that moment."""
_NO_ID = literal_column(str(2**63 - 1), BigInteger())
"""More than any id."""


@dataclass(frozen=True)
class Recipient:
    """An address on a channel, as somebody wrote it, and as the channel normalises it."""

    channel: str
    written: str
    key: str


@dataclass(frozen=True, kw_only=True)
class RecordFilter:
    """None means any. Companies and items are named by slug or id; a name that does not exist matches nothing."""

    company: str | None = None
    project: str | None = None
    content: str | None = None
    """AR content."""
    channel: str | None = None
    reason: str | None = None
    recipients: Sequence[Recipient] | None = None
    """One of these. A delivery has a recipient from its first attempt on."""
    since: datetime | None = None
    until: datetime | None = None
    """Before this time."""


@dataclass(frozen=True, kw_only=True)
class NotificationFilter(RecordFilter):
    """`since` and `until` are about when it was opened. `channel`, `reason` and `recipients` must be those of one of
    its deliveries. `undelivered` leaves out those whose company did not have to be told any more, because that is not a
    failure: their item was renewed, or a tighter warning was sent."""

    notification_type: NotificationType | None = None
    status: NotificationStatus | None = None


@dataclass(frozen=True, kw_only=True)
class DeliveryFilter(RecordFilter):
    """`since` and `until` are about when it ended or, if it has not, was opened."""

    status: DeliveryStatus | None = None
    notification_id: int | None = None


ENDED_OR_OPENED = func.coalesce(Delivery.finished_at, Delivery.created_at)


def of_notifications(wanted: NotificationFilter) -> Iterator[ColumnElement[bool]]:
    """Yields the conditions on `Notification`."""
    if wanted.notification_type is not None:
        yield Notification.notification_type == wanted.notification_type.value
    if wanted.status is NotificationStatus.OPEN:
        yield Notification.id.in_(_open())
    elif wanted.status is not None:
        yield Notification.status == _constant(wanted.status)
    if wanted.status is NotificationStatus.UNDELIVERED:
        of_it = Delivery.notification_id == Notification.id
        needless = exists().where(of_it, Delivery.reason.in_(NEEDLESS))
        refused = exists().where(of_it, Delivery.status.in_((DeliveryStatus.REJECTED, DeliveryStatus.FAILED)))
        yield or_(not_(needless), refused)
    yield from _about(wanted)
    if sent := list(_sent(wanted)):
        yield Notification.id.in_(select(Delivery.notification_id).where(*sent))
    if wanted.since is not None:
        yield Notification.created_at >= wanted.since
    if wanted.until is not None:
        yield Notification.created_at < wanted.until
        yield Notification.id < func.coalesce(_opened_after(wanted.until), _NO_ID)


def of_deliveries(wanted: DeliveryFilter) -> Iterator[ColumnElement[bool]]:
    """Yields the conditions on `Delivery`, joined with its `Notification`."""
    if wanted.status in (DeliveryStatus.PENDING, DeliveryStatus.SENDING):
        yield Delivery.notification_id == any_(func.array(_open().scalar_subquery()))
    if wanted.status is not None:
        yield Delivery.status == _constant(wanted.status)
    if wanted.notification_id is not None:
        yield Delivery.notification_id == wanted.notification_id
    yield from _about(wanted)
    yield from _sent(wanted)
    if wanted.since is not None:
        yield wanted.since <= ENDED_OR_OPENED
    if wanted.until is not None:
        yield wanted.until > ENDED_OR_OPENED
        later = select(func.min(Delivery.id)).where(Delivery.notification_id == _opened_after(wanted.until))
        yield Delivery.id < func.coalesce(later.correlate(None).scalar_subquery(), _NO_ID)


def _about(wanted: RecordFilter) -> Iterator[ColumnElement[bool]]:
    if wanted.company is not None:
        yield Notification.company_id == id_of(Company, wanted.company)
    if wanted.project is not None:
        yield Notification.project_id == id_of(Project, wanted.project)
    if wanted.content is not None:
        yield Notification.ar_content_id == id_of(ArContent, wanted.content)


def _sent(wanted: RecordFilter) -> Iterator[ColumnElement[bool]]:
    if wanted.channel is not None:
        yield Delivery.channel == wanted.channel
    if wanted.reason is not None:
        yield Delivery.reason == wanted.reason
    if wanted.recipients is not None:
        yield Delivery.id == any_(func.array(_sent_to(wanted.recipients).scalar_subquery()))


def _sent_to(recipients: Sequence[Recipient]) -> Any:
    """Returns the ids of the deliveries to one of these. In an array they are found first: the planner has no idea how
    few they are."""
    sent = aliased(Delivery)
    each_to = (
        and_(sent.channel == each.channel, func.lower(sent.recipient) == any_(_spellings(each))) for each in recipients
    )
    return select(sent.id).where(or_(*each_to)).correlate(None)


def _spellings(recipient: Recipient) -> ColumnElement[Any]:
    """Returns an array: all that deliveries to it may have as recipient, in lower case. A delivery keeps the address as
    it was written then, and a contact may write it otherwise than the operator."""
    of_contacts = select(func.lower(Contact.address)).where(
        Contact.channel == recipient.channel, Contact.address_key == recipient.key
    )
    given = array([recipient.written.lower(), recipient.key.lower()], type_=Text())
    return func.array_cat(cast(given, ARRAY(Text())), func.array(of_contacts.scalar_subquery(), type_=ARRAY(Text())))


def _open() -> Any:
    """Returns the ids of the open notifications, in two halves, because there is an index for each."""
    is_open = select(Notification.id).where(Notification.status == _constant(NotificationStatus.OPEN))
    started = is_open.where(Notification.started_at.is_not(None))
    not_started = is_open.where(Notification.started_at.is_(None))
    return union_all(started.correlate(None), not_started.correlate(None))


def _constant(status: StrEnum) -> ColumnElement[str]:
    """Not a parameter: with one, a prepared statement may not use an index on rows with this status."""
    return literal_column(f"'{status.value}'", Text())


def _opened_after(moment: datetime) -> Any:
    """Returns the id of a notification that was opened so long after that moment that all opened before it have lower
    ids. Without that bound, a list would walk through everything newer first."""
    later = select(Notification.id).where(Notification.created_at >= cast(moment, TIMESTAMPTZ) + _LONGEST_TRANSACTION)
    return later.order_by(Notification.created_at, Notification.id).limit(1).correlate(None).scalar_subquery()
