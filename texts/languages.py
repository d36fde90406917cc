"""Finds the language for a company's locale; each language counts and writes dates by its own rules."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from pathlib import Path

from babel import Locale, UnknownLocaleError
from babel.core import get_global, get_locale_identifier, parse_locale
from babel.dates import format_date, format_time, get_datetime_format, get_timezone_gmt
from babel.numbers import format_decimal

from db.clocks import LocalTime

_COUNTED = range(1000)
"""Whole numbers that together use every plural form that a text can need."""


class LanguageError(Exception):
    """The templates of a language are not complete. The message names the language and what is missing."""


@dataclass(frozen=True)
class Moment:
    """A moment on a clock, in the words of a language."""

    date: str
    """Such as "Friday, November 27, 2026"; for midnight, the day that is over."""
    time: str | None
    """Such as "11:28 PM". None: the date is over at this moment."""
    zone: str
    """Such as "Central European Time (UTC+01:00)"."""
    together: str
    """Date and time as the CLDR joins them, for a template that writes `{{ ends_at }}`."""

    def __str__(self) -> str:
        return self.together


class Language:
    """One language, by its BCP 47 tag; its rules are those of the CLDR."""

    def __init__(self, tag: str) -> None:
        """Raises `LanguageError` for a tag that the CLDR does not know or spells differently."""
        try:
            self.locale = Locale.parse(tag, sep="-")
        except (ValueError, UnknownLocaleError):
            raise LanguageError(f"{tag!r} is not a locale that Babel knows, such as en or pt-BR") from None
        if (spelt := get_locale_identifier(parse_locale(tag, sep="-"), sep="-")) != tag:
            raise LanguageError(f"{tag!r} must be spelt {spelt!r}")
        self.tag = tag
        self._plural_form = self.locale.plural_form
        self._moment = str(get_datetime_format("full", locale=self.locale))
        """Such as "{1}, {0}": the date and the time."""

    @property
    def direction(self) -> str:
        """The direction of writing: `ltr` or `rtl`."""
        return str(self.locale.text_direction)

    @cached_property
    def plural_forms(self) -> frozenset[str]:
        """The plural forms of whole numbers, from zero, one, two, few, many and other."""
        return frozenset(map(self._plural_form, _COUNTED))

    def plural(self, count: int, /, **forms: str) -> str:
        """Returns the form for the count. Raises `LanguageError` unless all forms of the language are given, whatever
        the count, so that a single rendering finds a missing form."""
        if missing := self.plural_forms - forms.keys():
            needed = ", ".join(sorted(self.plural_forms))
            raise LanguageError(f"{self.tag}: plural() needs {needed}; {', '.join(sorted(missing))} is missing")
        return forms.get(self._plural_form(count)) or forms["other"]  # French has one more from a million on

    def number(self, count: int) -> str:
        """Returns the number with the language's separators, such as 1,234."""
        return str(format_decimal(count, locale=self.locale))

    def full_date(self, day: date) -> str:
        """Returns the day in full, such as "Friday, November 27, 2026"."""
        return str(format_date(day, "full", locale=self.locale))

    def moment(self, local: LocalTime, timezone: str) -> Moment:
        """Returns day, time and zone of the end of something. The first moment of a day is shown as the end of the day
        before, because people read "Friday, 12:00 AM" as the night after Friday."""
        zone = self._zone(timezone, local)
        date = format_date(local.day, "full", locale=self.locale)
        if local.ends_the_day:
            return Moment(date, None, zone, date)
        time = format_time(local.clock, "short", locale=self.locale)
        return Moment(date, time, zone, self._moment.format(time, date))

    def _zone(self, timezone: str, local: LocalTime) -> str:
        """Returns the zone as people say it, with its offset at that time: "Central European Time (UTC+01:00)". A zone
        without a name in this language is named after its city."""
        canonical = get_global("zone_aliases").get(timezone, timezone)
        if canonical == "Etc/UTC":
            return "UTC"
        offset = "UTC" + get_timezone_gmt(local.moment, "iso8601", locale=self.locale).replace("-", "\N{MINUS SIGN}")
        name = self._zone_name(canonical, is_summer=local.is_summer) or self._city(canonical)
        return f"{name} ({offset})" if name else offset

    def _zone_name(self, canonical: str, *, is_summer: bool) -> str | None:
        """Returns the zone's name for the whole year, such as Pacific Time; else, as for London, for this part of it.
        Babel's `get_timezone_name` finds no name for zones that the CLDR knows by an older name, such as
        Asia/Kolkata."""
        zones, groups, group_of = self.locale.time_zones, self.locale.meta_zones, get_global("meta_zones")
        for variant in ("generic", "daylight" if is_summer else "standard"):
            for key in _spellings(canonical):
                for info in (zones.get(key, {}), groups.get(group_of.get(key), {})):
                    if name := info.get("long", {}).get(variant):
                        return str(name)
        return None

    def _city(self, canonical: str) -> str | None:
        if canonical.startswith("Etc/"):
            return None
        for key in _spellings(canonical):
            if city := self.locale.time_zones.get(key, {}).get("city"):
                return str(city)
        area, _, place = canonical.rpartition("/")
        return place.replace("_", " ") if area else None


def _spellings(canonical: str) -> list[str]:
    """Returns all names that a zone has had, newest first."""
    return [canonical, *(alias for alias, zone in get_global("zone_aliases").items() if zone == canonical)]


def find_languages(templates: Path) -> Mapping[str, Language]:
    """Returns a language for each folder, by its tag. Raises `LanguageError`."""
    tags = sorted(folder.name for folder in templates.iterdir() if folder.is_dir())
    return {tag: Language(tag) for tag in tags}


def match(locale: str, tags: Mapping[str, Language]) -> Language | None:
    """Returns the closest language for a company's locale: the first of zh-Hant-TW, zh-Hant, zh-TW, zh. A code of three
    letters means its language too. None: there is none."""
    try:
        language, territory, script, *_ = parse_locale(locale.replace("_", "-"), sep="-")
    except ValueError:
        return None
    for code in (language, get_global("language_aliases").get(language, language)):  # rus is ru
        for parts in ((territory, script), (None, script), (territory, None), (None, None)):
            if found := tags.get(get_locale_identifier((code, *parts), sep="-")):
                return found
    return None
