"""From a claim to the text: one folder of templates a language and type, one file a part."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, TemplateNotFound, select_autoescape

from channels.telegram import fitting
from contracts.keys import NotificationType
from db.record.claim import Claim
from texts.languages import Language, LanguageError, find_languages, match

TEMPLATES = Path(__file__).parent / "templates"
DEFAULT_LOCALE = "en"
PARTS = ("subject.txt", "text.txt", "html.html", "telegram.html")
PHRASES = "phrases.txt"
"""Of a language: what its templates have in common."""

CONTENTS_SHOWN = 20
"""Titles that a text lists; the others are counted."""
_CONTENTS_TRIED = (CONTENTS_SHOWN, 10, 5, 1)
"""What is tried before a Telegram message is cut: its end says how to renew."""


@dataclass(frozen=True)
class RenderedEmail:
    """`subject` is one line; `html` is None where there is only plain text."""

    subject: str
    text: str
    html: str | None


class Renderer:
    """Renders what a claim is about. A locale without templates is told in English."""

    def __init__(self, renew_url_template: str, support_email: str, templates: Path = TEMPLATES) -> None:
        """Compiles all templates. Raises `LanguageError` for a language that lacks one."""
        self._renew_url_template = renew_url_template
        self._support_email = support_email
        self.languages = find_languages(templates)
        if DEFAULT_LOCALE not in self.languages:
            raise LanguageError(f"templates/{DEFAULT_LOCALE} is missing: it is what an unknown locale is told in")
        self._environments = {
            tag: _environment(language, templates / tag, templates) for tag, language in self.languages.items()
        }

    def email(self, claim: Claim, unsubscribe_url: str | None = None) -> RenderedEmail:
        """The mail's parts. A test notification may bring its own subject, text and HTML."""
        subject = " ".join((claim.subject or self._part(claim, "subject.txt")).split())  # a header never has CR or LF
        own_text = claim.message if claim.notification_type == NotificationType.TEST else None
        more = {"title": subject, "unsubscribe_url": unsubscribe_url}
        return RenderedEmail(
            subject=subject,
            text=own_text or self._part(claim, "text.txt", **more),
            html=claim.metadata.get("html") or (None if own_text else self._part(claim, "html.html", **more)),
        )

    def telegram(self, claim: Claim) -> str:
        """The message in Telegram's HTML, within its limit."""
        for shown in _CONTENTS_TRIED:
            message = self._part(claim, "telegram.html", shown).strip()
            if fitting.fits(message):
                break
        return fitting.cut(message)

    def _part(self, claim: Claim, name: str, contents_shown: int = CONTENTS_SHOWN, /, **more: str | None) -> str:
        language = match(claim.locale, self.languages) or self.languages[DEFAULT_LOCALE]
        template = self._environments[language.tag].get_template(f"{claim.notification_type}/{name}")
        return template.render(self._context(claim, language, contents_shown), **more)

    def _context(self, claim: Claim, language: Language, contents_shown: int) -> dict[str, Any]:
        """What docs/operations.md tells translators of."""
        ends_at = language.moment(claim.ends_at, claim.timezone) if claim.ends_at else None
        ends_the_day = ends_at is not None and ends_at.ends_the_day
        return {
            "company": claim.company_name,
            "project": claim.project_name,
            "content": claim.content,
            "contents": claim.contents[:contents_shown],
            "more_contents": max(0, len(claim.contents) - contents_shown),
            "days_left": claim.days_left and claim.days_left - ends_the_day,  # until the day that the text names
            "ends_at": ends_at,
            "timezone": claim.timezone,
            "renew_url": claim.project_slug and self._renew_url_template.format(slug=claim.project_slug),
            "support_email": self._support_email,
            "subject": claim.subject,
            "message": claim.message,
        }


def _environment(language: Language, *folders: Path) -> Environment:
    """Templates of one language, which name one another without its tag; all are compiled already."""
    environment = Environment(
        loader=FileSystemLoader(folders),
        undefined=StrictUndefined,
        autoescape=select_autoescape(enabled_extensions=("html",)),
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        auto_reload=False,
    )
    environment.globals |= {"plural": language.plural, "lang": language.tag, "direction": language.direction}
    try:
        for name in (PHRASES, *(f"{each}/{part}" for each in NotificationType for part in PARTS)):
            environment.get_template(name)
    except TemplateNotFound as missing:
        raise LanguageError(f"templates/{language.tag}/{missing.name} is missing") from None
    return environment
