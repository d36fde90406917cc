"""Renders pages from a template and its style. A page loads nothing, runs nothing, and is in no other page."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from typing import Literal

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import HTMLResponse

_FOLDER = Path(__file__).parent
_ENVIRONMENT = Environment(
    loader=FileSystemLoader(_FOLDER), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
)


class PageTemplate:
    """The files `<name>.html` and `<name>.css`. The policy allows this style and no other."""

    def __init__(self, name: str, *, forms: Literal["'self'", "'none'"] = "'none'") -> None:
        self._template = _ENVIRONMENT.get_template(f"{name}.html")
        self._style = (_FOLDER / f"{name}.css").read_text(encoding="utf-8")
        style = base64.b64encode(hashlib.sha256(self._style.encode()).digest()).decode()
        self.headers = {
            "Content-Security-Policy": (
                f"default-src 'none'; style-src 'sha256-{style}'; form-action {forms}; "
                "base-uri 'none'; frame-ancestors 'none'"
            ),
            "Referrer-Policy": "no-referrer",
            "X-Robots-Tag": "noindex",
            "X-Content-Type-Options": "nosniff",
            "Cache-Control": "no-store",
        }

    def response(self, status: int, **context: object) -> HTMLResponse:
        """Renders the page; all of `context` is escaped."""
        return HTMLResponse(self._template.render(context, style=self._style), status, self.headers)
