"""The texts: one folder of templates a locale and type, one file a part."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from babel import Locale
from babel.dates import format_date, format_time
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from db.deliveries import Claim

TEMPLATES = Path(__file__).parent / "templates"
DEFAULT_LOCALE = "en"


@dataclass(frozen=True)
class RenderedEmail:
    """`subject` is one line; `html` is None where there is only plain text."""

    subject: str
    text: str
    html: str | None


class Renderer:
    """Renders what a claim is about. A locale without templates is told in English."""

    def __init__(self, renew_url_template: str, support_email: str) -> None:
        self._renew_url_template = renew_url_template
        self._support_email = support_email
        self._locales = {folder.name for folder in TEMPLATES.iterdir() if folder.is_dir()}
        self._environment = Environment(
            loader=FileSystemLoader(TEMPLATES),
            undefined=StrictUndefined,
            autoescape=select_autoescape(enabled_extensions=("html",)),
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=True,
        )

    def email(self, claim: Claim) -> RenderedEmail:
        """The mail's parts. A test notification may bring its own subject, text and HTML."""
        subject = claim.subject or self._part(claim, "subject.txt")
        return RenderedEmail(
            subject=" ".join(subject.split()),  # a header line never carries CR or LF
            text=claim.message or self._part(claim, "text.txt"),
            html=claim.metadata.get("html") or (None if claim.message else self._part(claim, "html.html")),
        )

    def telegram(self, claim: Claim) -> str:
        """The message in Telegram's HTML."""
        return self._part(claim, "telegram.html").strip()

    def _part(self, claim: Claim, name: str) -> str:
        locale = claim.locale if claim.locale in self._locales else DEFAULT_LOCALE
        template = self._environment.get_template(f"{locale}/{claim.notification_type}/{name}")
        return template.render(self._context(claim, locale))

    def _context(self, claim: Claim, locale: str) -> dict[str, Any]:
        return {
            "company": claim.company_name,
            "project": claim.project_name,
            "contents": claim.contents,
            "days_left": claim.days_left,
            "ends_at": claim.ends_at and local_time(claim.ends_at, claim.timezone, locale),
            "timezone": claim.timezone,
            "renew_url": claim.project_slug and self._renew_url_template.format(slug=claim.project_slug),
            "support_email": self._support_email,
            "subject": claim.subject,
            "message": claim.message,
        }


def local_time(moment: datetime, timezone: str, locale: str) -> str:
    """Day and time on the company's clock, as its locale writes them: "Friday, November 27, 2026, 11:28 PM"."""
    local = moment.astimezone(ZoneInfo(timezone))
    known = Locale.parse(locale, sep="-")
    return f"{format_date(local, 'full', locale=known)}, {format_time(local, 'short', locale=known)}"
