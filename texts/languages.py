"""Languages: which there are, which one a company's locale means, and how each counts and writes a date."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import cached_property
from pathlib import Path
from zoneinfo import ZoneInfo

from babel import Locale, UnknownLocaleError
from babel.core import get_locale_identifier, parse_locale
from babel.dates import format_date, format_time, get_datetime_format

_COUNTED = range(1000)
"""Whole numbers that together need every plural form that a text can need."""


class LanguageError(Exception):
    """The templates of a language are not complete. The message says which one, and what it lacks."""


class Language:
    """One language, by its BCP 47 tag; its rules are those of the CLDR."""

    def __init__(self, tag: str) -> None:
        """Raises `LanguageError` for a tag that the CLDR does not know, or spells in another way."""
        try:
            self.locale = Locale.parse(tag, sep="-")
        except (ValueError, UnknownLocaleError):
            raise LanguageError(f"{tag!r} is no locale that Babel knows, such as en or pt-BR") from None
        if (spelt := get_locale_identifier(parse_locale(tag, sep="-"), sep="-")) != tag:
            raise LanguageError(f"{tag!r} must be spelt {spelt!r}")
        self.tag = tag
        self._plural_form = self.locale.plural_form
        self._moment = str(get_datetime_format("full", locale=self.locale))
        """Such as "{1}, {0}": the date and the time."""

    @property
    def direction(self) -> str:
        """Of writing: `ltr` or `rtl`."""
        return str(self.locale.text_direction)

    @cached_property
    def plural_forms(self) -> frozenset[str]:
        """The plural forms that whole numbers take: of zero, one, two, few, many, other."""
        return frozenset(map(self._plural_form, _COUNTED))

    def plural(self, count: int, /, **forms: str) -> str:
        """The form that goes with the count. Raises `LanguageError` unless all that the language needs are given,
        whichever this count needs: so one rendering is enough to notice."""
        if missing := self.plural_forms - forms.keys():
            needed = ", ".join(sorted(self.plural_forms))
            raise LanguageError(f"{self.tag}: plural() needs {needed}; {', '.join(sorted(missing))} is missing")
        return forms.get(self._plural_form(count)) or forms["other"]  # French has one more from a million on

    def moment(self, moment: datetime, timezone: str) -> str:
        """Day and time on the clock of `timezone`: "Friday, November 27, 2026, 11:28 PM"."""
        local = moment.astimezone(ZoneInfo(timezone))
        date, time = format_date(local, "full", locale=self.locale), format_time(local, "short", locale=self.locale)
        return self._moment.format(time, date)


def find_languages(templates: Path) -> Mapping[str, Language]:
    """A language for every folder, by its tag. Raises `LanguageError`."""
    tags = sorted(folder.name for folder in templates.iterdir() if folder.is_dir())
    return {tag: Language(tag) for tag in tags}


def match(locale: str, tags: Mapping[str, Language]) -> Language | None:
    """The language for a company's locale, however it is spelt: the most exact of zh-Hant-TW, zh-Hant, zh-TW, zh."""
    try:
        language, territory, script, *_ = parse_locale(locale, sep="-")
    except ValueError:
        return None
    for parts in ((territory, script), (None, script), (territory, None), (None, None)):
        if found := tags.get(get_locale_identifier((language, *parts), sep="-")):
            return found
    return None
