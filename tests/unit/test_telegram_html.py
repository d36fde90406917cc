"""A Telegram message keeps the limit, whatever it says: it is cut where that is sensible, and stays whole HTML."""

from __future__ import annotations

from dataclasses import replace
from html import escape

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from channels.telegram import fitting
from channels.telegram.texts import PART, render_message
from commands.preview import Item, sample
from contracts.keys import NotificationType
from local.stand_ins.telegram_entities import plain_text
from runtime.names import visible
from texts.renderer import Renderer

RENDERER = Renderer("https://platform.example/projects/{slug}/renew", "help@platform.example", {PART: None})

text_of_any_length = st.builds(
    lambda beginning, repeated, times: beginning + repeated * times,
    st.text(max_size=20),
    st.text(min_size=1, max_size=20),
    st.one_of(st.integers(1, 5), st.integers(1, 500)),
)


def element(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    start_and_end = [("<b>", "</b>"), ("<i>", "</i>"), ('<a href="https://x.example/?a=1&amp;b=>">', "</a>")]
    return st.builds(
        lambda tags, parts: f"{tags[0]}{''.join(parts)}{tags[1]}", st.sampled_from(start_and_end), st.lists(inner)
    )


messages = st.lists(st.recursive(st.text().map(escape), element)).map("".join)


def units(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


def assert_is_beginning(message: str, whole: str, limit: int = fitting.LIMIT) -> None:
    """`whole` is plain text. What the stand-in cannot parse it refuses, as Telegram does."""
    shown = plain_text(message, "HTML")
    assert units(shown) <= limit
    if units(whole) <= limit:
        assert shown == whole
    else:
        assert shown.endswith("…")
        assert whole.startswith(shown.removesuffix("…"))


@given(messages, st.integers(1, 80))
@example("<b>one two</b> three", 9)
@example("&lt;&amp;&gt;", 2)
@example("😀😀", 3)
def test_any_html_stays_whole_and_within_any_limit(message: str, limit: int) -> None:
    assert fitting.length(message) == units(plain_text(message, "HTML"))
    assert_is_beginning(fitting.cut(message, limit), plain_text(message, "HTML"), limit)


@given(st.text(min_size=1, max_size=200), text_of_any_length)
@example("<" * 200, "&" * 4000)
@example("s", "😀" * 4000)
@example("s", "\n" * 4096 + "x")
def test_any_test_message_keeps_the_limit(subject: str, message: str) -> None:
    claim = replace(sample(NotificationType.TEST, "en", Item.PROJECT), subject=subject, message=message)
    seen = visible(subject)
    assert_is_beginning(render_message(RENDERER, claim), seen + f"\n\n{message}".rstrip() if seen else message.strip())


@given(
    st.sampled_from([NotificationType.EXPIRING, NotificationType.EXPIRED]),
    st.sampled_from(sorted(RENDERER.languages)),
    text_of_any_length,
    st.none() | text_of_any_length,
    st.lists(text_of_any_length, max_size=3),
    st.integers(1, 30),
)
@example(NotificationType.EXPIRING, "en", "😀" * 5000, "😀" * 5000, ["😀" * 5000], 40)
@example(NotificationType.EXPIRED, "ru", "&" * 5000, None, ["\u202e<" * 5000], 40)
def test_any_names_keep_the_limit_the_date_and_the_link(
    notification_type: NotificationType, locale: str, name: str, content: str | None, contents: list[str], times: int
) -> None:
    claim = replace(
        sample(notification_type, locale, Item.PROJECT),
        company_name=name,
        project_name=name,
        content=content,
        contents=contents * times,
    )
    message = render_message(RENDERER, claim)
    text = plain_text(message, "HTML")
    assert units(text) <= fitting.LIMIT
    assert {"en": "November 27, 2026", "ru": "27 ноября 2026"}[locale] in text
    assert 'href="https://platform.example/projects/old-harbour-walk/renew"' in message
    assert text.removesuffix(".").endswith("help@platform.example")


@pytest.mark.parametrize(
    ("message", "limit", "kept"),
    [
        ("first paragraph\n\nsecond one\nwith lines", 32, "first paragraph\n\n…"),
        ("first\n\nsecond one\nwith lines", 24, "first\n\nsecond one\n…"),
        ("first\n\nsecond one with words", 24, "first\n\nsecond one with…"),
        ("short " + "x" * 30, 24, "short " + "x" * 17 + "…"),
        ("<b>bold <i>and slanted</i> text</b>", 15, "<b>bold <i>and…</i></b>"),
        ("<b>bold</b> and plain text", 12, "<b>bold</b> and…"),
        ('<a href="https://x.example/">a link of words</a>', 10, '<a href="https://x.example/">a link…</a>'),
        ("fish &amp; chips &amp; peas", 14, "fish &amp; chips…"),
        ("&#39;&#39;&#39;&#39;", 3, "&#39;&#39;…"),
        ("exactly", 7, "exactly"),
    ],
)
def test_it_is_cut_where_a_reader_would(message: str, limit: int, kept: str) -> None:
    assert fitting.cut(message, limit) == kept


def test_a_long_list_is_shortened_before_the_link_to_renew_is_lost() -> None:
    claim = replace(sample(NotificationType.EXPIRING, "en", Item.PROJECT), contents=["Ship " + "x" * 495] * 40)
    message = render_message(RENDERER, claim)
    assert fitting.fits(message)
    assert message.count("Ship") == 10
    assert "and 30 more" in message
    assert message.endswith("Renew the project</a> or write to help@platform.example.")
