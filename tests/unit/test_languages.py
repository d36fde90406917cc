"""A language counts and writes dates by its own rules, and is found however a company's locale is spelt."""

from __future__ import annotations

from datetime import datetime

import pytest

from tests.support.clocks import on_clock
from texts.languages import Language, LanguageError, match

TAGS = {tag: Language(tag) for tag in ("en", "en-GB", "pt", "ru", "sr-Latn", "zh-Hant")}
MOMENT = datetime.fromisoformat("2026-12-01T00:30:00+00:00")


@pytest.mark.parametrize(
    ("locale", "tag"),
    [
        ("ru", "ru"),
        ("ru-RU", "ru"),
        ("RU-ru", "ru"),
        ("RU", "ru"),
        ("ru_RU", "ru"),
        ("zh_Hant_TW", "zh-Hant"),
        ("pt-BR", "pt"),
        ("rus", "ru"),
        ("RUS", "ru"),
        ("eng-GB", "en-GB"),
        ("eng", "en"),
        ("en-GB", "en-GB"),
        ("en-gb", "en-GB"),
        ("en-AU", "en"),
        ("zh-Hant-TW", "zh-Hant"),
        ("sr-Latn-RS", "sr-Latn"),
        ("sr", None),
        ("tlh", None),
        ("../en", None),
        ("en/../ru", None),
        ("e", None),
        ("", None),
    ],
)
def test_a_locale_is_told_in_the_nearest_language_there_is(locale: str, tag: str | None) -> None:
    found = match(locale, TAGS)
    assert (found.tag if found else None) == tag


def test_a_folder_that_bears_an_older_code_is_found_by_it() -> None:
    found = match("no-NO", {"no": Language("no")})
    assert found is not None
    assert found.tag == "no"


@pytest.mark.parametrize(
    ("count", "form"),
    [(0, "many"), (1, "one"), (2, "few"), (5, "many"), (11, "many"), (12, "many"), (21, "one"), (104, "few")],
)
def test_russian_counts_as_russians_do(count: int, form: str) -> None:
    assert Language("ru").plural(count, one="one", few="few", many="many") == form


def test_a_count_may_need_a_form_that_no_small_one_does() -> None:
    assert Language("fr").plural(1_000_000, one="jour", other="jours") == "jours"


@pytest.mark.parametrize("count", [1, 2, 5])
def test_a_missing_plural_form_is_named_whatever_the_count_is(count: int) -> None:
    with pytest.raises(LanguageError, match=r"^ru: plural\(\) needs few, many, one; few is missing$"):
        Language("ru").plural(count, one="день", many="дней")


@pytest.mark.parametrize(
    ("tag", "written"),
    [
        ("en", "Monday, November 30, 2026, 7:30\u202fPM"),
        ("ru", "понедельник, 30 ноября 2026\u202fг., 19:30"),  # noqa: RUF001 - Russian
        ("ja", "2026年11月30日月曜日 19:30"),
    ],
)
def test_a_moment_is_written_on_the_companys_clock_as_the_language_does(tag: str, written: str) -> None:
    assert str(Language(tag).moment(on_clock(MOMENT, "America/New_York"), "America/New_York")) == written


@pytest.mark.parametrize(
    ("tag", "said"),
    [
        ("klingon", "'klingon' is not a locale that Babel knows, such as en or pt-BR"),
        ("pt_BR", "'pt_BR' is not a locale that Babel knows, such as en or pt-BR"),
        ("pt-br", "'pt-br' must be spelt 'pt-BR'"),
    ],
)
def test_a_folder_with_a_wrong_name_is_refused(tag: str, said: str) -> None:
    with pytest.raises(LanguageError) as error:
        Language(tag)
    assert str(error.value) == said


ENGLISH, RUSSIAN = Language("en"), Language("ru")


def moment(time: str, zone: str, language: Language = ENGLISH) -> tuple[str, str | None, str]:
    """Date, time and zone as they are told of a time in UTC."""
    told = language.moment(on_clock(datetime.fromisoformat(f"{time}+00:00"), zone), zone)
    return told.date, told.time and told.time.replace("\u202f", " "), told.zone


@pytest.mark.parametrize(
    ("time", "zone", "en", "ru"),
    [
        ("2026-11-27T07:28", "America/Los_Angeles", "Pacific Time (UTC-08:00)", "Тихоокеанское время (UTC-08:00)"),
        ("2026-07-27T07:28", "America/Los_Angeles", "Pacific Time (UTC-07:00)", "Тихоокеанское время (UTC-07:00)"),
        ("2026-07-27T07:28", "US/Pacific", "Pacific Time (UTC-07:00)", "Тихоокеанское время (UTC-07:00)"),
        ("2026-11-27T07:28", "Asia/Kolkata", "India Standard Time (UTC+05:30)", "Индия (UTC+05:30)"),
        ("2026-11-27T07:28", "Asia/Kathmandu", "Nepal Time (UTC+05:45)", "Непал (UTC+05:45)"),
        ("2026-11-27T07:28", "Europe/Moscow", "Moscow Time (UTC+03:00)", "Москва (UTC+03:00)"),
        (
            "2026-11-27T07:28",
            "Europe/London",
            "Greenwich Mean Time (UTC+00:00)",
            "Среднее время по Гринвичу (UTC+00:00)",
        ),
        (
            "2026-07-27T07:28",
            "Europe/London",
            "British Summer Time (UTC+01:00)",
            "Великобритания, летнее время (UTC+01:00)",
        ),
        (
            "2026-07-27T07:28",
            "Europe/Dublin",
            "Irish Standard Time (UTC+01:00)",
            "Ирландия, стандартное время (UTC+01:00)",
        ),
        ("2026-11-27T07:28", "Asia/Barnaul", "Barnaul (UTC+07:00)", "Барнаул (UTC+07:00)"),
        ("2026-11-27T07:28", "Etc/GMT+5", "UTC-05:00", "UTC-05:00"),
        ("2026-11-27T07:28", "UTC", "UTC", "UTC"),
    ],
)
def test_a_zone_is_named_as_people_say_it_with_its_offset_then(time: str, zone: str, en: str, ru: str) -> None:
    told = (moment(time, zone)[2], moment(time, zone, RUSSIAN)[2])
    assert told == (en.replace("-", "\N{MINUS SIGN}"), ru.replace("-", "\N{MINUS SIGN}"))
