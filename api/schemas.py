"""What the API answers with."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field

from contracts.keys import NotificationType
from contracts.sending import DeliveryStatus, NotificationStatus
from db.models import ProjectStatus


class FieldError(BaseModel):
    """One thing that is wrong with a request."""

    field: str = Field(description="The field or parameter; `body` for the body as a whole.")
    reason: str


class Problem(BaseModel):
    """An error as RFC 9457 has it."""

    type: str = Field("about:blank", description="`about:blank`: `status` says all there is to say.")
    title: str
    status: int
    detail: str | None = None
    errors: list[FieldError] | None = Field(None, description="With 422: what is wrong, field by field.")


class Notification(BaseModel):
    """One notice to one company, both channels in one row."""

    id: int
    notification_type: NotificationType
    status: NotificationStatus
    company_id: int | None
    company_slug: str | None
    project_id: int | None
    project_slug: str | None
    ar_content_id: int | None = Field(description="The AR content it is about; null: the project itself.")
    ar_content_slug: str | None
    subject: str | None
    days_left: int | None = Field(description="On the company's calendar, when the notification was opened.")
    item_ends_at: datetime | None
    created_at: datetime
    finished_at: datetime | None
    workflow_id: str
    web_ui_url: str = Field(description="Its workflow in the Temporal Web UI.")
    email_sent: bool
    email_sent_at: datetime | None
    email_error: str | None
    telegram_sent: bool
    telegram_sent_at: datetime | None
    telegram_error: str | None


class Delivery(BaseModel):
    """One channel of a notification: what was handed over, and what the provider said."""

    channel: str = Field(description="Its name, such as `email`.")
    status: DeliveryStatus
    reason: str | None = Field(description="A stable code; null while nothing went wrong.")
    attempts: int
    recipient: str | None
    subject: str | None
    body: str | None = Field(description="The text as sent; of an e-mail the plain part.")
    body_html: str | None
    provider_id: str | None = Field(description="E-mail: the Message-ID; Telegram: the message_id.")
    provider_reply: str | None
    possible_duplicate: bool = Field(description="The recipient may have got more than one copy.")
    claimed_at: datetime | None
    sending_at: datetime | None
    finished_at: datetime | None


class NotificationDetail(Notification):
    deliveries: list[Delivery]


class NotificationPage(BaseModel):
    """Newest first."""

    items: list[Notification]
    next_cursor: str | None = Field(description="`cursor` of the next page; null: this is the last.")


class Reactivated(BaseModel):
    """What had been switched off at the old end and is on again."""

    project: bool
    contents: int = Field(description="How much AR content.")


class RenewedProject(BaseModel):
    """The project with its new end."""

    slug: str
    status: Literal[ProjectStatus.ACTIVE, ProjectStatus.EXPIRED] = Field(
        description="`expired` still, where it was not this application that made it so."
    )
    expires_at: datetime
    previous_expires_at: datetime
    reactivated: Reactivated
    skipped_deliveries: int = Field(description="Deliveries of notices of the old end that are not sent any more.")


class StartedTest(BaseModel):
    """A test notification is on its way; its outcome stands at `GET /notifications/{notification_id}`."""

    notification_id: int
    workflow_id: str
    web_ui_url: str


class Health(BaseModel):
    status: Literal["ok"] = "ok"


class Checks(BaseModel):
    """Each server that a request may need."""

    database: Literal["ok", "away"]
    temporal: Literal["ok", "away"]


class Readiness(BaseModel):
    checks: Checks


class NotReady(Problem):
    checks: Checks
