"""Pages for people: small, complete in themselves, asking nothing of any other server."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import HTMLResponse

_FOLDER = Path(__file__).parent
_STYLE = (_FOLDER / "page.css").read_text(encoding="utf-8")
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_TEMPLATE = Environment(
    loader=FileSystemLoader(_FOLDER), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
).get_template("page.html")

HEADERS = {
    "Content-Security-Policy": (
        f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; form-action 'self'; "
        "base-uri 'none'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}
"""Of every answer below a link that is somebody's alone."""


@dataclass(frozen=True)
class Page:
    """Plain text, escaped when it is rendered."""

    locale: str
    direction: str
    title: str
    paragraphs: list[str]
    button: str | None = None
    """Of a form that posts to the page's own address; None: there is nothing to press."""

    def response(self, status: int) -> HTMLResponse:
        return HTMLResponse(_TEMPLATE.render(page=self, style=_STYLE), status, HEADERS)
