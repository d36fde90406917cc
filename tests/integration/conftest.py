"""The scene that the workflows' tests play on, for commands that act on it."""

from __future__ import annotations

from tests.workflows.conftest import scene

__all__ = ["scene"]
