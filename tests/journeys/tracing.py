"""Which files' functions run, seen by the interpreter's profile hook, and which of them are counted."""

from __future__ import annotations

import inspect
import json
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from types import CodeType, FrameType

ROOT = Path(__file__).resolve().parents[2]

OUTSIDE = ("tests/*", ".venv/*", "bench/*", "deploy/*")
"""No files of the product, though they lie in its checkout."""

APART = {
    "stand-ins": ("stand_ins/*", "embedded/*", "demo/*", "local/*"),
    "templates": ("templates/*", "texts/templates/*"),
    "contracts": ("contracts.py", "contracts/*"),
    "settings": ("settings.py",),
    "runtime": ("process.py", "log_setup.py", "runtime/*"),
}
"""Listed and not counted, before and after the files moved: what every journey passes through, and what plays the other
side."""


class Tracer:
    """Collects the files of the product whose functions are called while it records, on any thread.

    A module's and a class's own code do not count, nor do functions that they call while they are imported: the
    workflow sandbox imports again at every start of a workflow.
    """

    def __init__(self) -> None:
        self.files: set[str] = set()
        self._recording = False

    def install(self) -> None:
        """Sets the hook on this thread and on those to come: call it before other threads are started."""
        threading.setprofile(self._called)
        sys.setprofile(self._called)

    @contextmanager
    def recording(self) -> Iterator[None]:
        self._recording = True
        try:
            yield
        finally:
            self._recording = False

    def save(self, path: Path) -> None:
        path.write_text(json.dumps(sorted(self.files)), encoding="utf-8")

    def _called(self, frame: FrameType, event: str, _: object) -> None:
        if not self._recording or event != "call" or not _is_function(frame.f_code):
            return
        file = product_file(frame.f_code.co_filename)
        if file is not None and file not in self.files and not _importing(frame):
            self.files.add(file)


def _is_function(code: CodeType) -> bool:
    """Also a lambda and a comprehension; not the body of a module or a class."""
    return bool(code.co_flags & inspect.CO_OPTIMIZED)


def _importing(frame: FrameType) -> bool:
    """Whether a module of the product runs its own code further up the stack."""
    above = frame.f_back
    while above is not None:
        if above.f_code.co_name == "<module>" and product_file(above.f_code.co_filename) is not None:
            return True
        above = above.f_back
    return False


@cache
def product_file(filename: str) -> str | None:
    """The path from the checkout, of a code object's file; None if it is no file of the product."""
    path = os.path.normpath(ROOT / filename)
    if filename.startswith("<") or not path.startswith(f"{ROOT}{os.sep}"):
        return None
    relative = path.removeprefix(f"{ROOT}{os.sep}")
    return None if _matches(relative, OUTSIDE) else relative


def kind(file: str) -> str | None:
    """The name under which a file is listed apart; None if it is counted."""
    return next((name for name, patterns in APART.items() if _matches(file, patterns)), None)


def _matches(file: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatchcase(file, pattern) for pattern in patterns)
