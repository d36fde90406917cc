"""Says in plain words what a mail server's answer was, for workflows and pages: from the stable code only."""

from __future__ import annotations

_STEPS = {
    "connect": "when we connected",
    "ehlo": "to our greeting",
    "starttls": "to STARTTLS",
    "auth": "to our login",
    "mail": "about our sender",
    "rcpt": "about the recipient",
    "data": "before the text",
    "data_end": "after the text",
}
_WITHOUT_REPLY = {
    "failed": "The mail server cannot be reached",
    "disconnected": "The mail server disconnected",
    "timeout": "The mail server did not answer in time",
    "malformed": "The mail server's answer is not SMTP",
    "not_offered": "The mail server does not offer what we need",
}
_OTHER = {
    "smtp_certificate_refused": "We refuse the mail server's certificate",
    "email_timeout": "The attempt took too long",
    "email_refused_alike": "The mail server gives several recipients the same refusal, so it is about us",
}
_GREYLISTING_CODES = frozenset({"450", "451"})
_GREYLISTING_STEPS = frozenset({"rcpt", "data", "data_end"})
_CODE_LENGTH = 3


def explain(code: str) -> str | None:
    """Returns what the code of a reason means, without a full stop. None: it is not a code of this channel."""
    if code in _OTHER:
        return _OTHER[code]
    step, _, answer = code.removeprefix("smtp_").rpartition("_")
    if step.endswith("_not"):  # not_offered
        step, answer = step.removesuffix("_not"), f"not_{answer}"
    if not code.startswith("smtp_") or step not in _STEPS:
        return None
    if answer in _WITHOUT_REPLY:
        return f"{_WITHOUT_REPLY[answer]} {_STEPS[step]}" if step != "connect" else _WITHOUT_REPLY[answer]
    if len(answer) != _CODE_LENGTH or not (answer.isascii() and answer.isdecimal()):
        return None
    said = f"The mail server answered {answer} {_STEPS[step]}"
    greylisting = answer in _GREYLISTING_CODES and step in _GREYLISTING_STEPS
    return f"{said}, often greylisting" if greylisting else said
