"""Words of libraries that no operator and no integrator should have to read."""

from __future__ import annotations

INTERNALS = (
    "Input should",
    "Value error",
    "unable to parse",
    "unable to interpret",
    "validation",
    "Extra inputs",
    "Field required",
    "relative URL without a base",
    "dictionary",
    "lambda",
    "tonic",
    "Os {",
    "ConnectError",
)


def internals_in(text: str) -> list[str]:
    return [each for each in INTERNALS if each in text]
