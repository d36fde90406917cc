"""What the CSV files may hold, and how each fault is named."""

from __future__ import annotations

import re
import tempfile
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from csv_import.lines import ArContentLine, CompanyLine, CompanyWithQuietHoursLine, CsvLine, ProjectLine
from csv_import.reading import CsvFile, Line
from db.models import ProjectStatus
from runtime.times import parse_time

COMPANIES = "slug,name,contact_email,telegram_chat_id,locale,timezone,email_enabled,telegram_enabled"
PROJECTS = (
    "slug,company_slug,name,status,starts_at,expires_at,auto_renew,subscription_type,notify_before_expiry_days,"
    "tags,metadata"
)
AR_CONTENTS = "slug,project_slug,title,is_active,expires_at"
FILES: dict[str, tuple[str, type[CsvLine]]] = {
    "companies.csv": (COMPANIES, CompanyLine),
    "projects.csv": (PROJECTS, ProjectLine),
    "ar_contents.csv": (AR_CONTENTS, ArContentLine),
}


class Reader:
    """Writes a file and reads it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def raw(self, name: str, content: bytes) -> list[Line[Any]]:
        path = self._folder / name
        path.write_bytes(content)
        return list(CsvFile(path, FILES[name][1]).lines())

    def quiet_company(self, quiet_hours: str, header: str = f"{COMPANIES},quiet_hours") -> Line[Any]:
        """Of a file with the optional column."""
        path = self._folder / "companies.csv"
        path.write_text(f"{header}\nacme,Acme,,,,,,,{quiet_hours}\n")
        [line] = CsvFile(path, CompanyLine, CompanyWithQuietHoursLine).lines()
        return line

    def lines(self, name: str, *lines: str) -> list[Line[Any]]:
        return self.raw(name, "\n".join([FILES[name][0], *lines, ""]).encode())

    def company(self, **fields: str) -> Line[Any]:
        return self._one("companies.csv", {"slug": "acme", "name": "Acme"} | fields)

    def project(self, **fields: str) -> Line[Any]:
        return self._one(
            "projects.csv", {"slug": "site", "company_slug": "acme", "name": "Site", "expires_at": "+7d"} | fields
        )

    def _one(self, name: str, fields: dict[str, str]) -> Line[Any]:
        quoted = ('"' + fields.get(column, "").replace('"', '""') + '"' for column in FILES[name][0].split(","))
        [line] = self.lines(name, ",".join(quoted))
        return line


@pytest.fixture
def read(tmp_path: Path) -> Reader:
    return Reader(tmp_path)


def row(line: Line[Any]) -> Any:
    assert not line.faults
    return line.row


def faults(lines: list[Line[Any]]) -> list[str]:
    return [str(fault) for line in lines for fault in line.faults]


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("+7d", timedelta(days=7)),
        ("-2h", timedelta(hours=-2)),
        ("+90m", timedelta(minutes=90)),
        ("+0s", timedelta()),
        ("2026-12-01T00:00:00+02:00", datetime(2026, 11, 30, 22, tzinfo=UTC)),
        ("2026-12-01T09:30:00Z", datetime(2026, 12, 1, 9, 30, tzinfo=UTC)),
        ("2026-12-01 09:30+00:00", datetime(2026, 12, 1, 9, 30, tzinfo=UTC)),
        ("2026-12-01T09:30:00.999999Z", datetime(2026, 12, 1, 9, 30, tzinfo=UTC)),
        ("1970-01-01T00:00:00.417Z", datetime(1970, 1, 1, tzinfo=UTC)),
        ("2999-12-31T23:59:59.999999Z", datetime(2999, 12, 31, 23, 59, 59, tzinfo=UTC)),
    ],
)
def test_a_time_is_absolute_with_offset_or_relative(text: str, time: datetime | timedelta) -> None:
    assert parse_time(text) == time


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("tomorrow", "'tomorrow' is not a time: write ISO 8601 with offset or +7d"),
        ("7d", "'7d' is not a time: write ISO 8601 with offset or +7d"),
        ("+7w", "'+7w' is not a time: write ISO 8601 with offset or +7d"),
        ("+1d2h", "'+1d2h' is not a time: write ISO 8601 with offset or +7d"),
        ("2026-13-01T00:00:00Z", "'2026-13-01T00:00:00Z' is not a time: write ISO 8601 with offset or +7d"),
        (
            "2026-12-01T10:00:00",
            "'2026-12-01T10:00:00' has no offset: write 2026-12-01T10:00:00+00:00 for UTC",
        ),
        ("2026-12-01", "'2026-12-01' has no offset: write 2026-12-01T00:00:00+00:00 for UTC"),
        *(
            (text, f"'{text}' is out of range: write a time in the years 1970 to 2999")
            for text in (
                "0001-01-01T00:00:00Z",
                "0001-01-01T00:00:00+14:00",
                "1970-01-01T00:00:00+00:01",
                "2999-12-31T23:59:59-00:01",
                "3000-01-01T00:00:00Z",
                "9999-12-31T23:59:59-01:00",
                "-36500d",
            )
        ),
        ("infinity", "'infinity' is not a time: write ISO 8601 with offset or +7d"),
        ("12026-12-01T00:00:00Z", "'12026-12-01T00:00:00Z' is not a time: write ISO 8601 with offset or +7d"),
        ("+999999d", "'+999999d' is more than 100 years away"),
        ("+99999999d", "'+99999999d' is more than 100 years away"),
        ("+9999999999d", "'+9999999999d' is more than 100 years away"),
    ],
)
def test_what_is_no_time_is_refused_with_what_to_write(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=rf"^{re.escape(reason)}\Z"):
        parse_time(text)


def test_a_full_project_line_gives_all_its_values(read: Reader) -> None:
    line = read.project(
        status=ProjectStatus.ARCHIVED,
        starts_at="-2h",
        expires_at="2026-12-01T00:00:00Z",
        auto_renew="yes",
        subscription_type="annual",
        notify_before_expiry_days="7, 30;1,7",
        tags="museum; flagship,museum",
        metadata='{"floor": 2, "wing": "ä\\u00e4"}',
    )
    assert line.row == ProjectLine.model_construct(
        slug="site",
        company_slug="acme",
        name="Site",
        status=ProjectStatus.ARCHIVED,
        starts_at=timedelta(hours=-2),
        expires_at=datetime(2026, 12, 1, tzinfo=UTC),
        auto_renew=True,
        subscription_type="annual",
        notify_before_expiry_days=[30, 7, 1],
        tags=["museum", "flagship"],
        metadata={"floor": 2, "wing": "ää"},
    )


@pytest.mark.parametrize("flag", ["true", "TRUE", "1", "yes"])
def test_these_mean_yes(read: Reader, flag: str) -> None:
    assert row(read.company(email_enabled=flag)).email_enabled is True


@pytest.mark.parametrize("flag", ["false", "False", "0", "no"])
def test_these_mean_no(read: Reader, flag: str) -> None:
    assert row(read.company(email_enabled=flag)).email_enabled is False


@pytest.mark.parametrize(
    ("fields", "fault"),
    [
        ({"slug": ""}, "slug: is empty"),
        ({"slug": "a b"}, "slug: 'a b' is not a slug: write letters, digits and - _ . ~ only"),
        ({"name": "  "}, "name: is empty"),
        ({"slug": "."}, "slug: '.' cannot be a slug, because no link can end in it"),
        ({"slug": ".."}, "slug: '..' cannot be a slug, because no link can end in it"),
        ({"name": "x" * 501}, f"name: '{'x' * 57}...' has 501 characters: write at most 500"),
        ({"name": "\u200b\u202e\ufeff"}, "name: '\\u200b\\u202e\\ufeff' has no visible character"),
        ({"name": "two\nlines"}, "name: 'two\\nlines' contains a line break or another control character"),
        ({"name": "nul\0"}, "name: 'nul\\x00' contains a line break or another control character"),
        (
            {"telegram_chat_id": "4503599627370496"},
            "telegram_chat_id: '4503599627370496' is not a chat id: write a whole number of at most 52 bits, not 0",
        ),
        (
            {"telegram_chat_id": "1_000"},
            "telegram_chat_id: '1_000' is not a chat id: write a whole number of at most 52 bits, not 0",
        ),
        ({"locale": "../en"}, "locale: '../en' is not a locale: write one such as en or pt-BR"),
        ({"timezone": "+02:00"}, "timezone: '+02:00' is not an IANA time zone: write one such as Europe/Berlin"),
        (
            {"timezone": "../etc/localtime"},
            "timezone: '../etc/localtime' is not an IANA time zone: write one such as Europe/Berlin",
        ),
        ({"email_enabled": "on"}, "email_enabled: 'on' is not a boolean: write true or false"),
    ],
)
def test_a_bad_company_field_is_named(read: Reader, fields: dict[str, str], fault: str) -> None:
    line = read.company(**fields)
    assert line.row is None
    assert faults([line]) == [f"companies.csv:2: {fault}"]


@pytest.mark.parametrize(
    ("text", "hours"),
    [
        ("21:00-08:00", (time(21), time(8))),
        (" 12:30 - 13:15 ", (time(12, 30), time(13, 15))),
        ("00:00-23:59", (time(0), time(23, 59))),
        ("", None),
    ],
)
def test_quiet_hours_begin_and_end_or_there_are_none(read: Reader, text: str, hours: tuple[time, time] | None) -> None:
    assert row(read.quiet_company(text)).quiet_hours == hours


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("21-8", "'21-8' are not quiet hours: write 21:00-08:00, or leave the field empty"),
        ("21:00", "'21:00' are not quiet hours: write 21:00-08:00, or leave the field empty"),
        ("9pm-8am", "'9pm-8am' are not quiet hours: write 21:00-08:00, or leave the field empty"),
        ("21:00-24:00", "'21:00-24:00' contains a time that does not exist: write 00:00 to 23:59"),
        ("21:60-08:00", "'21:60-08:00' contains a time that does not exist: write 00:00 to 23:59"),
        ("08:00-08:00", "'08:00-08:00' end when they begin: write 21:00-08:00, or leave the field empty"),
    ],
)
def test_bad_quiet_hours_are_named(read: Reader, text: str, fault: str) -> None:
    assert faults([read.quiet_company(text)]) == [f"companies.csv:2: quiet_hours: {fault}"]


def test_a_header_may_lack_the_optional_column_and_no_other(read: Reader) -> None:
    wanted = f"the first line must be {COMPANIES} and may have quiet_hours"
    assert faults([read.quiet_company("", header="slug,quiet_hours")]) == [
        f"companies.csv:1: missing column {COMPANIES.removeprefix('slug,').replace(',', ', ')}; {wanted}"
    ]
    assert faults([read.quiet_company("", header=f"{COMPANIES},quiet")]) == [
        f"companies.csv:1: unknown column 'quiet'; {wanted}"
    ]


@pytest.mark.parametrize(
    ("fields", "fault"),
    [
        ({"expires_at": ""}, "expires_at: is empty"),
        ({"expires_at": "tomorrow"}, "expires_at: 'tomorrow' is not a time: write ISO 8601 with offset or +7d"),
        ({"status": "Active"}, "status: 'Active' is not a status: write one of active, expired, archived"),
        (
            {"notify_before_expiry_days": "30,366"},
            "notify_before_expiry_days: '366' is not a number of days from 0 to 365: write 30,7,1",
        ),
        (
            {"notify_before_expiry_days": ","},
            "notify_before_expiry_days: ',' is not a number of days from 0 to 365: write 30,7,1",
        ),
        ({"metadata": "{"}, "metadata: '{' is not JSON: Expecting property name enclosed in double quotes"),
        ({"metadata": "[1]"}, 'metadata: \'[1]\' is not a JSON object: write {"key": "value"}'),
        (
            {"metadata": '{"a": NaN}'},
            "metadata: '{\"a\": NaN}' is not JSON: a value is too deep, too long or not JSON",
        ),
        (
            {"metadata": '{"a": 1e999}'},
            "metadata: '{\"a\": 1e999}' contains a number or a character that cannot be stored",
        ),
        (
            {"metadata": '{"a": "\\ud800"}'},
            'metadata: \'{"a": "\\\\ud800"}\' contains a number or a character that cannot be stored',
        ),
        (
            {"metadata": '{"a": "\\u0000"}'},
            'metadata: \'{"a": "\\\\u0000"}\' contains the character NUL, which cannot be stored',
        ),
    ],
)
def test_a_bad_project_field_is_named(read: Reader, fields: dict[str, str], fault: str) -> None:
    assert faults([read.project(**fields)]) == [f"projects.csv:2: {fault}"]


@pytest.mark.parametrize("address", ["info@acme", "a@example.com, b@example.com", "Ann <ann@example.com>", "ann"])
def test_what_is_no_single_address_is_named(read: Reader, address: str) -> None:
    [fault] = faults([read.company(contact_email=address)])
    assert fault.startswith(f"companies.csv:2: contact_email: '{address}' is not an e-mail address: ")


def test_metadata_nested_too_deep_is_named(read: Reader) -> None:
    [fault] = read.project(metadata='{"a":' * 20_000 + "1" + "}" * 20_000).faults
    assert fault.reason.endswith("is not JSON: a value is too deep, too long or not JSON")


def test_an_escaped_backslash_before_u0000_is_plain_text(read: Reader) -> None:
    assert row(read.project(metadata='{"a": "\\\\u0000"}')).metadata == {"a": "\\u0000"}


def test_every_bad_column_of_a_line_is_named(read: Reader) -> None:
    lines = read.lines("ar_contents.csv", "bow,,Bow,maybe,soon")
    assert faults(lines) == [
        "ar_contents.csv:2: project_slug: is empty",
        "ar_contents.csv:2: is_active: 'maybe' is not a boolean: write true or false",
        "ar_contents.csv:2: expires_at: 'soon' is not a time: write ISO 8601 with offset or +7d",
    ]


def test_a_long_value_is_cut_in_the_message(read: Reader) -> None:
    [fault] = read.company(timezone="?" * 1000).faults
    assert len(str(fault)) < 150


def test_a_slug_that_stands_there_twice_is_bad_the_second_time(read: Reader) -> None:
    lines = read.lines("companies.csv", "acme,Acme,,,,,,", "acme,Acme again,,,,,,")
    assert [line.row is not None for line in lines] == [True, False]
    assert faults(lines) == ["companies.csv:3: slug: 'acme' is already in line 2"]


def test_too_few_and_too_many_fields_are_named(read: Reader) -> None:
    lines = read.lines("ar_contents.csv", "bow,ship", "oars,ship,Oars, a sail,true,")
    assert faults(lines) == [
        "ar_contents.csv:2: has 2 fields instead of 5: put a field with a comma in quotes",
        "ar_contents.csv:3: has 6 fields instead of 5: put a field with a comma in quotes",
    ]
    assert [line.slug for line in lines] == ["bow", "oars"]


def test_bom_crlf_and_blank_lines_change_nothing(read: Reader) -> None:
    content = f"{AR_CONTENTS}\n\nbow,ship,Bow,,\n\noars,ship,Oars,,\n"
    plain = read.raw("ar_contents.csv", content.encode())
    windows = read.raw("ar_contents.csv", b"\xef\xbb\xbf" + content.replace("\n", "\r\n").encode())
    assert [line.number for line in plain] == [3, 5]
    assert windows == plain


def test_a_last_line_without_its_end_counts(read: Reader) -> None:
    [line] = read.raw("ar_contents.csv", f"{AR_CONTENTS}\nbow,ship,Bow,,".encode())
    assert line.row is not None


def test_columns_may_stand_in_another_order(read: Reader) -> None:
    [line] = read.raw("ar_contents.csv", b"title,slug,expires_at,project_slug,is_active\nBow,bow,,ship,no\n")
    assert line.row == ArContentLine.model_construct(slug="bow", project_slug="ship", title="Bow", is_active=False)


def test_quotes_hold_commas_quotes_and_line_breaks(read: Reader) -> None:
    [first, second] = read.lines(
        "projects.csv", 'a,acme,"Say ""hi"", you",,,+1d,,,"30,7",,"{\n""x"": 1}"', "b,acme,B,,,+1d,,,,,"
    )
    assert (row(first).name, row(first).metadata) == ('Say "hi", you', {"x": 1})
    assert (first.number, second.number) == (2, 4)


def test_a_stray_quote_spoils_its_own_line_only(read: Reader) -> None:
    lines = read.lines("ar_contents.csv", 'bow,ship,"Bow,,', "oars,ship,Oars,,", 'sail,ship,"A ""sail""",,')
    assert [(line.slug, line.row is not None) for line in lines] == [("bow", False), ("oars", True), ("sail", True)]
    [fault] = faults(lines)
    assert fault.startswith("ar_contents.csv:2: is not CSV (")


def test_a_quote_that_is_never_closed_spoils_its_own_line_only(read: Reader) -> None:
    lines = read.lines("ar_contents.csv", "bow,ship,Bow,,", 'oars,ship,"Oars,,', *(f"c{n},ship,C,," for n in range(50)))
    assert [line.slug for line in lines if line.row is None] == ["oars"]
    assert len(lines) == 52


def test_a_line_in_another_encoding_is_named_and_the_rest_is_read(read: Reader) -> None:
    lines = read.raw("ar_contents.csv", f"{AR_CONTENTS}\nbow,ship,Bug,,\nsail,ship,Süd,,\n".encode("latin-1"))
    assert [line.row is not None for line in lines] == [True, False]
    assert faults(lines) == ["ar_contents.csv:3: title: is not UTF-8: save the file as CSV UTF-8"]


BY_COMMAS = "save it as CSV UTF-8 (comma delimited)"
ONLY_EXCEL = "which only Excel reads, and separate the columns by commas"


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        ("name", "missing column slug, project_slug, title, is_active, expires_at"),
        ("slug,title,is_active,expires_at", "missing column project_slug"),
        (f"{AR_CONTENTS},colour", "unknown column 'colour'"),
        (f"{AR_CONTENTS},title", "duplicate column title"),
        (AR_CONTENTS.replace(",", ";"), f"the columns are separated by semicolons: {BY_COMMAS}"),
        (AR_CONTENTS.replace(",", "\t"), f"the columns are separated by tabs: {BY_COMMAS}"),
        (AR_CONTENTS.replace(",", "|"), f"the columns are separated by vertical bars: {BY_COMMAS}"),
        ('"' + AR_CONTENTS.replace(",", '";"') + '"', f"the columns are separated by semicolons: {BY_COMMAS}"),
        (f"\ufeff{AR_CONTENTS.replace(',', ';').upper()}", f"the columns are separated by semicolons: {BY_COMMAS}"),
        (f"sep=;\n{AR_CONTENTS.replace(',', ';')}", f"delete the line 'sep=;', {ONLY_EXCEL}"),
        (f"sep=,\n{AR_CONTENTS}", f"delete the line 'sep=,', {ONLY_EXCEL}"),
        (AR_CONTENTS.title(), "the columns' names must be in lower case"),
        (AR_CONTENTS.replace("slug", "Slug"), "the columns' names must be in lower case"),
    ],
)
def test_a_wrong_first_line_is_the_only_fault(read: Reader, header: str, reason: str) -> None:
    lines = read.raw("ar_contents.csv", f"{header}\nbow,ship\n".encode())
    assert faults(lines) == [f"ar_contents.csv:1: {reason}; the first line must be {AR_CONTENTS}"]


@pytest.mark.parametrize("content", [b"", b"\n", b"\xef\xbb\xbf", b"\xef\xbb\xbf\r\n \r\n"])
def test_an_empty_file_is_called_empty(read: Reader, content: bytes) -> None:
    assert faults(read.raw("ar_contents.csv", content)) == [
        f"ar_contents.csv:1: the file is empty; the first line must be {AR_CONTENTS}"
    ]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_a_file_in_utf_16_is_called_so(read: Reader, encoding: str) -> None:
    [fault] = faults(read.raw("ar_contents.csv", f"{AR_CONTENTS}\nbow,ship,Bow,true,\n".encode(encoding)))
    assert fault.startswith("ar_contents.csv:1: the file is UTF-16: save it as CSV UTF-8;")


def test_a_file_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    (tmp_path / "ar_contents.csv").mkdir()
    lines: list[Line[Any]] = list(CsvFile(tmp_path / "ar_contents.csv", ArContentLine).lines())
    assert faults(lines) == ["ar_contents.csv: cannot be read: Is a directory"]


@settings(deadline=None)
@given(st.lists(st.text() | st.sampled_from(['"', '""', ",,,,", "a,b,c,,", 'x,"y', '"z",ship,"t",,']), max_size=20))
def test_whatever_a_file_holds_each_line_is_good_or_named(content: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        lines = Reader(Path(folder)).raw(
            "ar_contents.csv", "\n".join([AR_CONTENTS, *content]).encode(errors="surrogatepass")
        )
    for line in lines:
        assert (line.row is None) == bool(line.faults)
        assert line.number > 1
    assert [line.number for line in lines] == sorted({line.number for line in lines})
