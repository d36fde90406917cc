"""What an error of Temporal's client means: why there is no connection, in plain words, or what does not exist."""

from __future__ import annotations

import re

from temporalio.service import RPCError, RPCStatusCode

# Such as `message: "Connection refused"` in `Os { code: 111, kind: ConnectionRefused, message: "Connection refused" }`.
_TOLD = re.compile(r'\b(?:message|error): "([^"]{1,200})"')
_CERTIFICATE = re.compile(r"\bInvalidCertificate\((\w{1,60})")
_WORD = re.compile(r"(?<=[a-z])(?=[A-Z])")
_LONGEST = 10_000
_CLIENTS = "tonic::"
"""In every error of the client that says why it has no connection."""


def why_away(error: BaseException) -> str:
    """Returns one line that says why Temporal cannot be reached; if the error is not the client's, the error itself."""
    text = " ".join(str(error)[:_LONGEST].split())
    if _CLIENTS not in text:
        return f"{type(error).__name__}: {text}"
    return f"cannot reach Temporal at TEMPORAL_ADDRESS: {_reason(text)}"


def _reason(text: str) -> str:
    if told := _TOLD.findall(text):
        return str(told[-1])
    if found := _CERTIFICATE.search(text):
        return f"the server's certificate is not valid: {_WORD.sub(' ', found[1]).lower()}"
    return "the connection failed"


def is_missing(error: RPCError) -> bool:
    """Whether what was asked for does not exist, in a namespace that does."""
    return error.status is RPCStatusCode.NOT_FOUND and not is_unknown_namespace(error)


def is_unknown_namespace(error: RPCError) -> bool:
    """Whether the namespace does not exist. That has the same status as anything else that is missing."""
    return error.status is RPCStatusCode.NOT_FOUND and "namespace" in error.message.lower()
