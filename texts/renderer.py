"""Renders the text of a claim. Templates are in one folder for each language and type, with one file for each part."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, assert_never

from contracts.keys import NotificationType
from db.record.claim import Claim
from runtime.names import isolated, shown, visible
from texts.environments import DEFAULT_LOCALE, TEMPLATES, environment
from texts.languages import Language, LanguageError, find_languages, match
from texts.links import link

PARTS = ("subject.txt", "text.txt", "html.html")
"""The parts of every notification, on any channel. A channel may add parts of its own."""
PHRASES = "phrases.txt"
"""The texts that a language's templates share."""

CONTENTS_SHOWN = 20
"""Most titles that a text lists; the others are counted."""


class Renderer:
    """Renders the parts of a notification. A locale without templates gets English."""

    def __init__(
        self,
        renew_url_template: str,
        support_email: str,
        channel_parts: Mapping[str, Path | None] | None = None,
        templates: Path = TEMPLATES,
        renew_content_url_template: str | None = None,
    ) -> None:
        """Compiles all templates. `channel_parts` are the channels' own parts: by file name, the folder with its
        languages; None means `templates`. Without `renew_content_url_template` a text about AR content has no link to
        renew, since its project's page renews the project only. Raises `LanguageError` if a language lacks a
        template."""
        self._renew_url_template = renew_url_template
        self._renew_content_url_template = renew_content_url_template
        self._support_email = support_email
        self.languages = find_languages(templates)
        if DEFAULT_LOCALE not in self.languages:
            raise LanguageError(f"templates/{DEFAULT_LOCALE} is missing: it is the language for unknown locales")
        parts = channel_parts or {}
        folders = [templates, *(folder for folder in dict.fromkeys(parts.values()) if folder is not None)]
        needed = (PHRASES, *(f"{each}/{part}" for each in NotificationType for part in (*PARTS, *parts)))
        self._environments = {tag: environment(language, folders, needed) for tag, language in self.languages.items()}

    def subject(self, claim: Claim) -> str:
        """Renders the subject as one line, since a header must not have CR or LF."""
        own = claim.subject and visible(claim.subject)
        return " ".join((own or self.part(claim, "subject.txt")).split())

    def text(self, claim: Claim, **more: str | None) -> str:
        """Renders the plain text, or a test's own text."""
        return own_text(claim) or self._render(claim, "text.txt", CONTENTS_SHOWN, more)

    def html(self, claim: Claim, **more: str | None) -> str:
        """Renders a complete HTML document. Its `title` defaults to the subject."""
        title = more.get("title") or self.subject(claim)
        return self._render(claim, "html.html", CONTENTS_SHOWN, more | {"title": title})

    def part(self, claim: Claim, name: str, contents_shown: int = CONTENTS_SHOWN) -> str:
        """Renders a channel's own part, by its file name."""
        return self._render(claim, name, contents_shown, {})

    def _render(self, claim: Claim, name: str, contents_shown: int, more: Mapping[str, str | None]) -> str:
        language = match(claim.locale, self.languages) or self.languages[DEFAULT_LOCALE]
        template = self._environments[language.tag].get_template(f"{claim.notification_type}/{name}")
        return template.render(self._context(claim, language, contents_shown) | dict(more))

    def _context(self, claim: Claim, language: Language, contents_shown: int) -> dict[str, Any]:
        """Returns the variables that docs/operations.md lists for translators."""

        def name(given: str | None) -> str | None:
            return given and isolated(shown(given), language.direction)

        return {
            "company": name(claim.company_name),
            "project": name(claim.project_name),
            "content": name(claim.content),
            "contents": [name(title) for title in claim.contents[:contents_shown]],
            "more_contents": max(0, len(claim.contents) - contents_shown),
            "days_left": claim.days_left,
            "ends_at": language.moment(claim.ends, claim.timezone) if claim.ends else None,
            "timezone": claim.timezone,
            "renew_url": self._renew_url(claim),
            "support_email": self._support_email,
            "subject": claim.subject and visible(claim.subject),
            "message": claim.message,
            "unsubscribe_url": None,
        }

    def _renew_url(self, claim: Claim) -> str | None:
        if claim.project_slug is None:
            return None
        if claim.content_slug is None:
            return link(self._renew_url_template, slug=claim.project_slug)
        template = self._renew_content_url_template
        return template and link(template, slug=claim.content_slug, project=claim.project_slug)


def own_text(claim: Claim) -> str | None:
    """What stands instead of a template: an alert's message is framed by one."""
    match claim.notification_type:
        case NotificationType.TEST:
            return claim.message
        case NotificationType.EXPIRING | NotificationType.EXPIRED | NotificationType.ALERT:
            return None
        case _:
            assert_never(claim.notification_type)
