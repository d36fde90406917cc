"""Says in plain words what is wrong with a value, instead of what the library that checked it says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_MUST_BE = {
    "missing": "is required",
    "extra_forbidden": "is not known here: remove it",
    "int_parsing": "must be a whole number",
    "int_parsing_size": "must be a whole number with fewer digits",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_parsing": "must be a number",
    "float_type": "must be a number",
    "finite_number": "must be a finite number",
    "bool_parsing": "must be true or false",
    "bool_type": "must be true or false",
    "string_type": "must be text",
    "string_unicode": "must be text in UTF-8",
    "list_type": "must be a list",
    "dict_type": "must be a JSON object",
    "model_type": "must be a JSON object",
    "model_attributes_type": "must be a JSON object",
    "json_invalid": "is not JSON",
    "path_type": "must be a path",
}
_LIMITS = {
    "greater_than": "must be greater than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be at most {le}",
    "enum": "must be {expected}",
    "literal_error": "must be {expected}",
    "string_too_long": "must have at most {max_length} characters",
    "string_too_short": "must have at least {min_length} characters",
    "too_long": "has more than {max_length} entries",
    "too_short": "has fewer entries than {min_length}",
}
_NO_EMAIL = "value is not a valid email address: "


def plain(error: Mapping[str, Any]) -> str:
    """Returns what one error of pydantic says, without quoting the value, which may be a secret."""
    kind, message, context = str(error["type"]), str(error["msg"]), error.get("ctx") or {}
    if kind in _MUST_BE:
        return _MUST_BE[kind]
    if kind in _LIMITS:
        limits = {name: f"{value:.15g}" if isinstance(value, float) else value for name, value in context.items()}
        return _LIMITS[kind].format_map(limits)
    if kind.startswith("url_"):
        return "must be a URL, such as https://platform.example/path"
    if message.startswith(_NO_EMAIL):
        return f"is not an e-mail address: {message.removeprefix(_NO_EMAIL)}"
    return message.removeprefix("Value error, ")
