"""What the pages to unsubscribe say, in each language: one file a locale."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path

from api.pages import Page

DEFAULT_LOCALE = "en"


@dataclass(frozen=True)
class Texts:
    """`{address}`, `{company}` and `{support}` stand for what they name."""

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


TEXTS = {
    file.stem: Texts(**tomllib.loads(file.read_text(encoding="utf-8"))) for file in Path(__file__).parent.glob("*.toml")
}


def question(locale: str, address: str, company: str | None) -> Page:
    """Asks whether to unsubscribe; `address` as it may be shown to whoever holds the link."""
    locale, texts = _of(locale)
    paragraphs = [texts.what.format(address=address), texts.others]
    if company is not None:
        paragraphs.insert(1, texts.of_company.format(company=company))
    return Page(locale, texts.question, paragraphs, texts.button)


def done(locale: str, address: str, support: str) -> Page:
    locale, texts = _of(locale)
    return Page(locale, texts.done, [texts.done_what.format(address=address), texts.again.format(support=support)])


def invalid(locale: str, support: str) -> Page:
    locale, texts = _of(locale)
    return Page(locale, texts.invalid, [texts.invalid_what.format(support=support)])


def away(locale: str) -> Page:
    locale, texts = _of(locale)
    return Page(locale, texts.away, [texts.away_what])


def _of(locale: str) -> tuple[str, Texts]:
    """`de-AT` is told in German where there is German, else in English."""
    known = next((each for each in (locale, locale.partition("-")[0]) if each in TEXTS), DEFAULT_LOCALE)
    return known, TEXTS[known]
