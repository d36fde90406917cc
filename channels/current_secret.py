"""Reads secrets at the moment of their use."""

from __future__ import annotations

from channels.base import OperatorFault
from settings import Settings


def current_secret(settings: Settings, name: str) -> str:
    """Returns the current secret. Raises `OperatorFault` if it is empty or its file cannot be read."""
    try:
        value = settings.secret(name)
    except ValueError as error:
        raise OperatorFault(f"{name}_unreadable", str(error)) from None
    if value is None:
        raise OperatorFault(f"{name}_missing")
    return value
