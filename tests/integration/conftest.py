"""The scenes that the workflows' tests play on, for commands that act on them."""

from __future__ import annotations

from tests.workflows.conftest import health, scene

__all__ = ["health", "scene"]
