"""The tables. Models have no behaviour: that is in the queries beside them and in the activities."""

from __future__ import annotations

from datetime import datetime, time
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    CheckConstraint,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Text,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from contracts.keys import NotificationType
from contracts.sending import DeliveryStatus, NotificationStatus


class ProjectStatus(StrEnum):
    """What the platform says of a project."""

    ACTIVE = "active"
    EXPIRED = "expired"
    """Its end has passed: by the platform's word, or deactivated by this application."""
    ARCHIVED = "archived"


TIMESTAMPTZ = DateTime(timezone=True)


def _one_of(column: str, values: type[Any]) -> CheckConstraint:
    listed = ", ".join(f"'{value}'" for value in values)
    return CheckConstraint(f"{column} IN ({listed})", name=column)


class Base(DeclarativeBase):
    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {  # noqa: RUF012 - SQLAlchemy reads it as a plain class attribute
        str: Text(),
        datetime: TIMESTAMPTZ,
        dict[str, Any]: JSONB(),
        list[str]: ARRAY(Text()),
        list[int]: ARRAY(Integer()),
        bytes: LargeBinary(),
    }


class Company(Base):
    """A customer, with its language and its clock."""

    __tablename__ = "companies"
    __table_args__ = (
        # PostgreSQL refuses an unknown time zone here, so that no row can make a whole scan fail.
        CheckConstraint("(TIMESTAMPTZ 'epoch' AT TIME ZONE timezone) IS NOT NULL", name="timezone"),
        CheckConstraint(
            "num_nonnulls(quiet_from, quiet_until) IN (0, 2) AND coalesce(quiet_from <> quiet_until, true)",
            name="quiet_hours",
        ),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    slug: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    locale: Mapped[str] = mapped_column(server_default="en")
    timezone: Mapped[str] = mapped_column(server_default="UTC")
    quiet_from: Mapped[time | None]
    """The begin of the quiet hours on the company's clock. They last until `quiet_until`, perhaps on the next day."""
    quiet_until: Mapped[time | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    erased_at: Mapped[datetime | None]
    """When an operator erased what names the company or its people."""


class Contact(Base):
    """A company's address on one channel. Without an address the row keeps whether the channel is enabled."""

    __tablename__ = "contacts"
    __table_args__ = (
        CheckConstraint("(address IS NULL) = (address_key IS NULL)", name="address_key"),
        # An index and not a constraint. A foreign key could refer to a constraint's columns, so a change of the address
        # would wait for every transaction that opens a delivery to the contact, and deadlock with it.
        Index(
            "uq_contacts_address",
            "company_id",
            "channel",
            "address_key",
            unique=True,
            postgresql_where=text("address_key IS NOT NULL"),
        ),
        Index("uq_contacts_import", "company_id", "channel", unique=True, postgresql_where=text("source = 'import'")),
        Index("ix_contacts_address", "channel", "address_key", postgresql_where=text("address_key IS NOT NULL")),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    company_id: Mapped[int] = mapped_column(ForeignKey("companies.id"), index=True)
    channel: Mapped[str]
    address: Mapped[str | None]
    """The address as it was given."""
    address_key: Mapped[str | None]
    """The address as the channel normalises it: two addresses with the same key reach the same person. Suppressions
    use it."""
    label: Mapped[str] = mapped_column(server_default="")
    enabled: Mapped[bool] = mapped_column(server_default=text("true"))
    source: Mapped[str] = mapped_column(server_default="import")
    """Who maintains the contact. An import owns one contact of a company on each of its channels and changes no other;
    revision 0004 lists all sources."""
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Project(Base):
    """What a company bought, and when it ends."""

    __tablename__ = "projects"
    __table_args__ = (
        _one_of("status", ProjectStatus),
        CheckConstraint(
            "0 <= ALL(notify_before_expiry_days) AND 365 >= ALL(notify_before_expiry_days)",
            name="notify_before_expiry_days",
        ),
        Index(
            "ix_projects_ending",
            "expires_at",
            "id",
            postgresql_where=text("status = 'active' AND NOT auto_renew"),
        ),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    slug: Mapped[str] = mapped_column(unique=True)
    company_id: Mapped[int] = mapped_column(ForeignKey("companies.id"), index=True)
    name: Mapped[str]
    status: Mapped[str] = mapped_column(server_default=ProjectStatus.ACTIVE)
    starts_at: Mapped[datetime | None]
    expires_at: Mapped[datetime]
    auto_renew: Mapped[bool] = mapped_column(server_default=text("false"))
    subscription_type: Mapped[str | None]
    notify_before_expiry_days: Mapped[list[int] | None]
    """The thresholds in days; null: EXPIRY_THRESHOLDS_DAYS."""
    last_notification_sent_at: Mapped[datetime | None]
    deactivated_at: Mapped[datetime | None]
    """When this application deactivated the project. A renewal reactivates it."""
    tags: Mapped[list[str]] = mapped_column(server_default=text("'{}'"))
    metadata_: Mapped[dict[str, Any]] = mapped_column("metadata", server_default=text("'{}'"))
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class ArContent(Base):
    """AR content in a project. Without an end of its own it ends with the project."""

    __tablename__ = "ar_contents"
    __table_args__ = (
        Index(
            "ix_ar_contents_ending",
            "expires_at",
            "project_id",
            "id",
            postgresql_where=text("is_active AND expires_at IS NOT NULL"),
        ),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    slug: Mapped[str] = mapped_column(unique=True)
    company_id: Mapped[int] = mapped_column(ForeignKey("companies.id"))
    project_id: Mapped[int] = mapped_column(ForeignKey("projects.id"), index=True)
    title: Mapped[str]
    is_active: Mapped[bool] = mapped_column(server_default=text("true"))
    expires_at: Mapped[datetime | None]
    deactivated_at: Mapped[datetime | None]
    """When this application deactivated the AR content: at its own end, or with its project."""
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Notification(Base):
    """One thing to tell one company once. `dedupe_key` prevents telling it twice."""

    __tablename__ = "notifications"
    __table_args__ = (
        _one_of("notification_type", NotificationType),
        _one_of("status", NotificationStatus),
        Index("ix_notifications_company", "company_id", "id"),
        Index("ix_notifications_opened", "created_at", "id"),
        Index(
            "ix_notifications_not_delivered",
            "status",
            "id",
            postgresql_where=text("status IN ('undelivered', 'in_doubt')"),
        ),
        Index("ix_notifications_item", "project_id", "notification_type", "item_ends_at"),
        Index(
            "ix_notifications_content",
            "ar_content_id",
            "notification_type",
            "item_ends_at",
            postgresql_where=text("ar_content_id IS NOT NULL"),
        ),
        Index(
            "ix_notifications_to_start",
            text("coalesce(company_id, 0)"),
            "give_up_at",
            "id",
            postgresql_where=text("status = 'open' AND started_at IS NULL"),
        ),
        Index(
            "ix_notifications_started",
            "company_id",
            postgresql_where=text("status = 'open' AND started_at IS NOT NULL"),
        ),
        Index(
            "ix_notifications_created",
            "created_at",
            postgresql_using="brin",
            postgresql_with={"autosummarize": True},
        ),
        Index(
            "ix_notifications_with_texts",
            "finished_at",
            "id",
            postgresql_where=text(
                "texts_removed_at IS NULL AND finished_at IS NOT NULL OR texts_removed_at < finished_at"
            ),
        ),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    company_id: Mapped[int | None] = mapped_column(ForeignKey("companies.id"))
    project_id: Mapped[int | None] = mapped_column(ForeignKey("projects.id"))
    ar_content_id: Mapped[int | None] = mapped_column(ForeignKey("ar_contents.id"))
    notification_type: Mapped[str]
    subject: Mapped[str | None]
    message: Mapped[str | None]
    metadata_: Mapped[dict[str, Any]] = mapped_column("metadata", server_default=text("'{}'"))
    dedupe_key: Mapped[str] = mapped_column(unique=True)
    status: Mapped[str] = mapped_column(server_default=NotificationStatus.OPEN)
    item_ends_at: Mapped[datetime | None]
    """The end that the notification is about. If the item has another end, it was renewed."""
    threshold_days: Mapped[int | None]
    days_left: Mapped[int | None]
    scan_at: Mapped[datetime | None]
    """The nominal time of the scan that opened the notification."""
    give_up_at: Mapped[datetime]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    started_at: Mapped[datetime | None]
    """When its workflow was started."""
    recovered_at: Mapped[datetime | None]
    """When it was recovered because its workflow was lost. That happens only once."""
    finished_at: Mapped[datetime | None]
    workflow_id: Mapped[str]
    texts_removed_at: Mapped[datetime | None]
    """When its texts and recipients were removed. If it was sent again after that, it has texts again."""


class Delivery(Base):
    """A notification's way to one contact: every attempt claims it, and its end is written here."""

    __tablename__ = "deliveries"
    __table_args__ = (
        UniqueConstraint("notification_id", "channel", "contact_id", postgresql_nulls_not_distinct=True),
        _one_of("status", DeliveryStatus),
        Index("ix_deliveries_status", "status", postgresql_where=text("status IN ('sending', 'unknown')")),
        Index("ix_deliveries_not_delivered", "status", "id", postgresql_where=text("status IN ('rejected', 'failed')")),
        Index("ix_deliveries_reason", "reason", "id", postgresql_where=text("reason IS NOT NULL")),
        Index(
            "ix_deliveries_recipient",
            "channel",
            text("lower(recipient)"),
            postgresql_where=text("recipient IS NOT NULL"),
        ),
        Index("ix_deliveries_ended_or_opened", text("coalesce(finished_at, created_at)")),
        Index(
            "ix_deliveries_refused",
            "channel",
            text("md5(refusal)"),
            "refused_at",
            postgresql_where=text("refusal IS NOT NULL"),
        ),
        Index(
            "ix_deliveries_finished",
            "finished_at",
            postgresql_using="brin",
            postgresql_with={"autosummarize": True},
        ),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    notification_id: Mapped[int] = mapped_column(ForeignKey("notifications.id", ondelete="CASCADE"))
    contact_id: Mapped[int | None] = mapped_column(ForeignKey("contacts.id", ondelete="SET NULL"))
    """Null: the notification has a recipient of its own, or the company has no contact on the channel."""
    channel: Mapped[str]
    status: Mapped[str] = mapped_column(server_default=DeliveryStatus.PENDING)
    reason: Mapped[str | None]
    """A stable code; null while nothing went wrong."""
    attempts: Mapped[int] = mapped_column(server_default=text("0"))
    claim_seq: Mapped[int] = mapped_column(server_default=text("0"))
    """The fence: grows with each claim, and only the holder of the newest may send."""
    claim_run: Mapped[str | None]
    claim_attempt: Mapped[int | None]
    recipient: Mapped[str | None]
    subject: Mapped[str | None]
    body: Mapped[str | None]
    """The text as sent (e-mail: the plain part)."""
    body_html: Mapped[str | None]
    provider_id: Mapped[str | None]
    """The provider's id of the message; of an e-mail the Message-ID, which the sender chooses."""
    provider_reply: Mapped[str | None]
    refusal: Mapped[str | None]
    """What the refusals of several recipients have in common, without the recipient."""
    refused_at: Mapped[datetime | None]
    """When the provider refused it permanently, or seemed to."""
    earlier_attempts: Mapped[list[dict[str, Any]]] = mapped_column(JSONB(), server_default=text("'[]'"))
    """The attempts that were refused and tried again, in order: number, time, reason and the provider's reply."""
    possible_duplicate: Mapped[bool] = mapped_column(server_default=text("false"))
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    claimed_at: Mapped[datetime | None]
    sending_at: Mapped[datetime | None]
    reopened_at: Mapped[datetime | None]
    """When an operator reopened the delivery; null once an attempt has claimed it."""
    finished_at: Mapped[datetime | None]
    text_sha256: Mapped[bytes | None]
    """The digest of the text as sent, written when the text is removed."""
    html_sha256: Mapped[bytes | None]


class Suppression(Base):
    """A suppressed address: its provider reported it gone, or its recipient unsubscribed."""

    __tablename__ = "suppressions"

    channel: Mapped[str] = mapped_column(primary_key=True)
    address: Mapped[str] = mapped_column(primary_key=True)
    """The address's key, as the channel normalises it."""
    reason: Mapped[str]
    """The stable code of the provider's answer, or `unsubscribed`."""
    provider_reply: Mapped[str | None]
    notification_id: Mapped[int | None] = mapped_column(ForeignKey("notifications.id", ondelete="SET NULL"), index=True)
    """The notification that was refused, or whose unsubscribe link was used."""
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Intervention(Base):
    """What an operator did by hand: who, when and why."""

    __tablename__ = "interventions"

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    action: Mapped[str]
    operator: Mapped[str]
    why: Mapped[str]
    delivery_id: Mapped[int | None] = mapped_column(ForeignKey("deliveries.id", ondelete="SET NULL"), index=True)
    project_id: Mapped[int | None] = mapped_column(ForeignKey("projects.id", ondelete="SET NULL"))
    company_id: Mapped[int | None] = mapped_column(ForeignKey("companies.id", ondelete="SET NULL"))
    channel: Mapped[str | None]
    address: Mapped[str | None]
    before: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))
    """The values before the change."""
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Pause(Base):
    """A pause of sending, from `paused_at` to `resumed_at`. At most one is in force at a time."""

    __tablename__ = "pauses"
    __table_args__ = (
        Index(
            "ix_pauses_holding", text("(resumed_at IS NULL)"), unique=True, postgresql_where=text("resumed_at IS NULL")
        ),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    operator: Mapped[str]
    why: Mapped[str]
    paused_at: Mapped[datetime] = mapped_column(server_default=func.now())
    resumed_by: Mapped[str | None]
    resumed_at: Mapped[datetime | None]


class ChannelStop(Base):
    """A channel whose provider accepts no message from us until `until`. If that time is over, the channel is no longer
    stopped."""

    __tablename__ = "channel_stops"

    channel: Mapped[str] = mapped_column(primary_key=True)
    stopped_at: Mapped[datetime] = mapped_column(server_default=func.now())
    until: Mapped[datetime]


class Lease(Base):
    """What one process at a time may do. `holder` has it until `until`, unless it renews it."""

    __tablename__ = "leases"

    name: Mapped[str] = mapped_column(primary_key=True)
    holder: Mapped[str]
    until: Mapped[datetime]


class Problem(Base):
    """A problem that the operators were alerted of. The row is deleted when the problem is over."""

    __tablename__ = "problems"

    code: Mapped[str] = mapped_column(primary_key=True)
    channel: Mapped[str | None]
    """The channel that the problem is about."""
    subject: Mapped[str]
    since: Mapped[datetime] = mapped_column(server_default=func.now())
    alerted_at: Mapped[datetime] = mapped_column(server_default=func.now())
    """When the last alert was opened."""


class RequestedTest(Base):
    """A request for a test notification. It is deleted when its idempotency key is forgotten."""

    __tablename__ = "requested_tests"
    __table_args__ = (UniqueConstraint("api_key", "idempotency_key"),)

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    api_key: Mapped[str]
    """A hash of the caller's key; empty without one."""
    idempotency_key: Mapped[str | None]
    fingerprint: Mapped[str]
    """A hash of the request's body."""
    notification_id: Mapped[int] = mapped_column(ForeignKey("notifications.id", ondelete="CASCADE"), index=True)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now(), index=True)
