"""The name of the user who runs this process."""

from __future__ import annotations

import getpass
import os


def user_name() -> str:
    """Returns the user's name, or `uid 1000` if the system has no name for the user, as in many containers."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # until and since Python 3.13
        return f"uid {os.getuid()}"
