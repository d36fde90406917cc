"""The lines of the three files, with their columns in order. An empty field takes the default."""

from __future__ import annotations

from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field

from csv_import.fields import (
    ChatId,
    Days,
    Email,
    Flag,
    JsonObject,
    Locale,
    OneLine,
    QuietHours,
    Slug,
    Status,
    Tags,
    Time,
    TimeZone,
)
from db.models import ProjectStatus


class CsvLine(BaseModel):
    """A line whose fields are all valid. Its slug identifies the row."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    reference: ClassVar[str | None] = None
    """The column that refers to a row of the previous file."""

    slug: Slug


class CompanyLine(CsvLine):
    name: OneLine
    contact_email: Email | None = None
    telegram_chat_id: ChatId | None = None
    locale: Locale = "en"
    timezone: TimeZone = "UTC"
    email_enabled: Flag = True
    telegram_enabled: Flag = True


class CompanyWithQuietHoursLine(CompanyLine):
    """A line of a file with the column for quiet hours. A file without it does not change them."""

    quiet_hours: QuietHours | None = None
    """Begin and end, on the company's clock; None: the company has no quiet hours."""


class ProjectLine(CsvLine):
    reference: ClassVar[str | None] = "company_slug"

    company_slug: Slug
    name: OneLine
    status: Status = ProjectStatus.ACTIVE
    starts_at: Time | None = None
    expires_at: Time
    auto_renew: Flag = False
    subscription_type: OneLine | None = None
    notify_before_expiry_days: Days | None = None
    """None: EXPIRY_THRESHOLDS_DAYS."""
    tags: Tags = Field(default_factory=list)
    metadata: JsonObject = Field(default_factory=dict)


class ArContentLine(CsvLine):
    reference: ClassVar[str | None] = "project_slug"

    project_slug: Slug
    title: OneLine
    is_active: Flag = True
    expires_at: Time | None = None
    """None: it ends with its project."""
