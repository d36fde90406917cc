"""`python -m tests [arguments]` is `python -m pytest [arguments]`: `conftest.py` has all that a run needs."""

from __future__ import annotations

import sys

import pytest

if __name__ == "__main__":
    sys.exit(pytest.main())
