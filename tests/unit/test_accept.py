"""Who gets a page and who gets JSON, by the header Accept."""

from __future__ import annotations

import pytest

from api.accept import LONGEST_ACCEPT, prefers_html

CHROMIUM = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8"
FIREFOX = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


@pytest.mark.parametrize(
    "accept",
    [
        CHROMIUM,
        FIREFOX,
        "text/html",
        "TEXT/HTML",
        "text/*",
        "text/html, application/json;q=0.9",
        "application/json;q=0.001, text/html;q=0.002",
        "text/html;q=0.5, */*;q=0.1",
        "*/*;q=0.1, text/html ; Q=0.5",
    ],
)
def test_a_browser_gets_a_page(accept: str) -> None:
    assert prefers_html(accept)


@pytest.mark.parametrize(
    "accept",
    [
        "",
        "*/*",
        "application/json",
        "application/*",
        "text/html, application/json",
        "text/html;q=0.9, application/json",
        "text/html;q=0",
        "text/html;q=0, */*",
        "text/html;q=0, text/*",
        "image/avif,image/webp,*/*",
        "text/plain, */*",
    ],
)
def test_a_program_gets_json(accept: str) -> None:
    assert not prefers_html(accept)


@pytest.mark.parametrize(
    "accept",
    [
        "text/html;q=2",
        "text/html;q=1.001",
        "text/html;q=0.1234",
        "text/html;q=",
        "text/html;q=.5",
        "text/html;q=-1",
        "text/html;q=\u0660.\u0665",
        "text/html;q=1e0",
        "text/html;level=1",
        ";q=1",
        ",,,;;;===",
        "\x00",
    ],
)
def test_what_is_no_quality_prefers_nothing(accept: str) -> None:
    assert not prefers_html(accept)


def test_only_the_beginning_of_a_long_header_is_read() -> None:
    assert not prefers_html("x/y," * LONGEST_ACCEPT + "text/html")
