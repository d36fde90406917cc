"""The unsubscribe pages, in each language: one file in the language's folder."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, fields
from pathlib import Path

from api.pages.page import Page
from runtime.names import isolated, shown
from texts.environments import DEFAULT_LOCALE, TEMPLATES
from texts.languages import Language, LanguageError, find_languages, match

FILE = "unsubscribe.toml"


@dataclass(frozen=True)
class _Texts:
    """The texts of one language. `{address}`, `{company}` and `{support}` are replaced."""

    question: str
    what: str
    of_company: str
    others: str
    button: str
    done: str
    done_what: str
    again: str
    invalid: str
    invalid_what: str
    away: str
    away_what: str


class UnsubscribePages:
    """Builds the pages that an unsubscribe link shows. For an unknown locale they are in English."""

    def __init__(self, templates: Path = TEMPLATES) -> None:
        """Reads all languages. Raises `LanguageError` for one whose file lacks something."""
        self._languages = find_languages(templates)
        if DEFAULT_LOCALE not in self._languages:
            raise LanguageError(f"templates/{DEFAULT_LOCALE} is missing: it is the language for unknown locales")
        self._texts = {tag: _read(templates / tag / FILE) for tag in self._languages}

    def question(self, locale: str, address: str, company: str | None) -> Page:
        """Asks whether to unsubscribe. `address` must be masked: anyone with the link sees it."""
        language, texts = self._of(locale)
        paragraphs = [texts.what.format(address=address), texts.others]
        if company is not None:
            paragraphs.insert(1, texts.of_company.format(company=isolated(shown(company), language.direction)))
        return _page(language, texts.question, *paragraphs, button=texts.button)

    def done(self, locale: str, address: str, support: str) -> Page:
        """Says that no more e-mails will come, and how to get them again."""
        language, texts = self._of(locale)
        return _page(language, texts.done, texts.done_what.format(address=address), texts.again.format(support=support))

    def invalid(self, locale: str, support: str) -> Page:
        """Says that the link is not valid."""
        language, texts = self._of(locale)
        return _page(language, texts.invalid, texts.invalid_what.format(support=support))

    def away(self, locale: str) -> Page:
        """Says that the link cannot be checked now."""
        language, texts = self._of(locale)
        return _page(language, texts.away, texts.away_what)

    def _of(self, locale: str) -> tuple[Language, _Texts]:
        language = match(locale, self._languages) or self._languages[DEFAULT_LOCALE]
        return language, self._texts[language.tag]


def _page(language: Language, title: str, *paragraphs: str, button: str | None = None) -> Page:
    return Page(language.tag, language.direction, title, list(paragraphs), button)


def _read(file: Path) -> _Texts:
    """Reads one language's texts. Raises `LanguageError` with one line that names the file and the error."""
    name = f"templates/{file.parent.name}/{file.name}"
    try:
        found = tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise LanguageError(f"{name} is missing") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise LanguageError(f"{name} is not TOML: {' '.join(str(error).split())}") from None
    known = [field.name for field in fields(_Texts)]
    if missing := [key for key in known if key not in found]:
        raise LanguageError(f"{name}: {', '.join(missing)} is missing")
    if unknown := [key for key in found if key not in known]:
        raise LanguageError(f"{name}: {', '.join(unknown)} is not the name of a text")
    for key, text in found.items():
        _check(f"{name}: {key}", text)
    return _Texts(**found)


def _check(name: str, text: object) -> None:
    """Raises `LanguageError` for a text that no page could show."""
    if not isinstance(text, str) or not text.strip():
        raise LanguageError(f"{name} must be text and not empty")
    try:
        text.format(**dict.fromkeys(("address", "company", "support"), ""))
    except (LookupError, ValueError, AttributeError):
        raise LanguageError(f"{name}: write {{address}}, {{company}} or {{support}}, no other placeholder") from None
